//! Refusals of experiments, comparisons and claims.

use super::*;

#[test]
fn experiments_and_claims_are_about_classifiers_that_are_trained() {
    let claim = |experiment: &str, rule: &str| {
        format!(
            "[claims.c1]\nstatement = \"It helps.\"\nsource = \"A paper\"\npublished = \"\"\nfixed = \"2026-11-28\"\n\
             experiment = \"{experiment}\"\nrule = {{ {rule}, transforms = true, regime = \"full\" }}\n"
        )
    };
    let gains = "is = \"gains\", arms = [\"inpaint\"], n = [4, 16], dose = 10, margin = 0.0";
    let most = "is = \"class-gains-most\", class = \"acne\", arm = \"inpaint\", n = 4, dose = 10";
    let same = "is = \"saturates\", arm = \"inpaint\", n = 4, from = 5, to = [], margin = 0.02";
    let [gains, most, same, elsewhere] =
        [("sweep", gains), ("sweep", most), ("sweep", same), ("dose", gains)]
            .map(|(experiment, rule)| claim(experiment, rule));
    let undated =
        claim("sweep", "is = \"gains\", arms = [\"inpaint\"], n = [4], dose = 10, margin = -0.1")
            .replace("2026-11-28", "soon");
    let comparison =
        |rest: &str| format!("[experiment.comparisons.more]\nquestion = \"More?\"\n{rest}\n");
    let [nothing, missing] = [
        "of = { n = [5] }\nagainst = { arm = \"real\" }",
        "of = { arms = [\"inpaint\"] }\nagainst = { arm = \"duplicate\" }\nclass = \"acne\"",
    ]
    .map(comparison);
    check(
        &[
            (&gains, &[]),
            (&most, &[]),
            (&same, &[]),
            (&elsewhere, &[]),
            (&undated, &[]),
            (&nothing, &[]),
            (&missing, &[]),
            ("[experiments.\"E 1\"]", &[]),
            ("[experiments]\ne1 = 3", &[]),
            ("[experiments.e1]\nm = [3]", &[]),
            ("[experiments.e1]\nrare = { class = \"acne\", n = 4 }", &[]),
            ("", &["experiment.rare.n=4"]),
        ],
        expect![[r#"
            study.toml:7:31: `claims.c1.rule` is about n = 16, inpaint x 10, transforms, of which the experiment has no classifiers: its arm and dose, n, transforms and regime have to be among the experiment's
            study.toml:7:57: `claims.c1.rule` has "acne", which is none of images.classes
            study.toml:7:34: `claims.c1.rule` has an empty list, which needs one value or more
            study.toml:6:14: `claims.c1.experiment` is "dose"; experiments are `sweep`
            study.toml:5:9: `claims.c1.fixed` is "soon"; allowed: the day on which the rule was fixed, as 2026-11-28
            study.toml:7:73: `claims.c1.rule.margin` is -0.1; allowed: 0 or more
            study.toml:4:19: `experiment.comparisons.more` compares nothing: no classifiers of the experiment are as `of` says, and others than those that `against` leads to
            study.toml:5:9: `experiment.comparisons.more.class` is "acne"; allowed: a class of images.classes
            study.toml:4:19: `experiment.comparisons.more` compares n = 4, inpaint x 10, no transforms with n = 4, duplicate x 10, no transforms, of which the experiment has no classifiers
            study.toml: `experiments."E 1"`: an experiment's name is made of a to z, 0 to 9 and -
            study.toml:2:6: `experiments.e1` is a whole number; a table is expected
            study.toml:2:1: unknown key `experiments.e1.m`; known there: `question`, `n`, `arms`, `doses`, `transforms`, `regimes`, `replicates`, `rare`, `comparisons`
            study.toml:2:18: `experiments.e1.rare.class` is "acne"; allowed: a class of images.classes: allergic contact dermatitis, basal cell carcinoma, lichen planus, lupus erythematosus, neutrophilic dermatoses, photodermatoses, psoriasis, sarcoidosis, squamous cell carcinoma
            study.toml:2:30: `experiments.e1.rare.n` is 4; allowed: 1 or more, and fewer than n (4)
            --set experiment.rare.n=4: `experiment.rare.n` is 4; allowed: 0 where no class is rare
        "#]],
    );
}

#[test]
fn uses_of_synthetic_images_are_plain_or_say_what_they_are() {
    let named = |what: &str| {
        format!(
            "[usages.it]\n{what}\n[experiment]\narms = [\"inpaint\", \"inpaint+it\"]\ndoses = [10]\n"
        )
    };
    let files = [
        "weight = 0.0",
        "weight = 1.0",
        "share = 1.0",
        "share = 0.99",
        "pretraining = 0.5\nshare = 0.5",
        "choose = \"confident\"",
        "choose = \"nearest\"\ncandidates = 10",
        "candidates = 20",
        "doses = { acne = 3 }",
        "choose = \"best\"",
        "choose = \"farthest\"\ncandidates = 20\ndoses = { psoriasis = 20 }",
    ]
    .map(named);
    let mut all = files.each_ref().map(|text| (text.as_str(), &[][..])).to_vec();
    let probe: &[&str] = &["images.plentiful=0"];
    let confident = named("choose = \"confident\"\ncandidates = 20");
    all.extend([
        (confident.as_str(), probe),
        ("[experiment]\narms = [\"inpaint+it\"]", &[]),
        ("[usages.\"It's\"]\nweight = 0.5", &[]),
        ("[usage]\nweight = 0.5", &[]),
    ]);
    check(
        &all,
        expect![[r#"
            study.toml:2:10: `usages.it.weight` is 0.0; allowed: more than 0
            study.toml:2:10: `usages.it` says nothing that the plain use does not
            study.toml:2:9: `usages.it.share` is 1.0; allowed: 0 or more and less than 1
            study.toml:2:9: `usages.it.share` is 1, which leaves no real image in a batch of 32
            study.toml:2:9: `usages.it.share` is 0.99, which leaves no real image in a batch of 32
            study.toml:2:15: `usages.it.pretraining` is 0.5, so that no step trains on synthetic and real images at once: leave out `share` and `weight`
            study.toml: `usages.it.candidates` is 0; allowed: more than every dose (10)
            study.toml:3:14: `usages.it.candidates` is 10; allowed: more than every dose (10)
            study.toml:2:14: `usages.it` says nothing that the plain use does not
            study.toml:2:14: `usages.it.candidates` is 20; allowed: 0 where the first images are taken (`choose`)
            study.toml:2:18: `usages.it.doses` has "acne", which is no class of images.classes
            study.toml:2:10: `usages.it.choose`: unknown variant `best`, expected one of `first`, `confident`, `nearest`, `farthest`
            study.toml:3:14: `usages.it.candidates` is 20; allowed: more than every dose (20)
            study.toml:2:10: `usages.it.choose` is "confident", but there is no probe: set images.plentiful to 1 or more
            study.toml:2:8: `experiment.arms` has "inpaint+it": there is no `usages.it`
            study.toml:2:10: `usages."It's"`: a use's name is made of a to z, 0 to 9 and -
            study.toml:2:10: `usage` is the plain use, which uses by name differ from: set the keys of a `usages.NAME` instead
        "#]],
    );
}
