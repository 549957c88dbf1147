//! The files of an image set: its tables, and its pictures in blocks that one task each decodes.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::absent::absent;
use super::remote::here;
use super::shards::{self, is_shard, shards};
use crate::data::catalogue::value::visible;
use crate::data::catalogue::{Catalogue, Record, Table};
use crate::data::sets::{self, Contents, Embedded, Folder, TableRole};
use crate::data::split::TooFew;
use crate::plan::pipeline::{Block, Pictures};
use crate::plan::{Input, InputFile};
use crate::regular;
use crate::store::Store;
use crate::study::{LoadedStudy, Problem, StudyError};
use crate::vocabulary::{Dedupe, Unusable};
use crate::wording::some_of;

/// Bytes of squares that one task makes.
const BLOCK_BYTES: usize = 128 << 20;
/// Missing pictures that are named.
const NAMED: usize = 5;

/// Refuses classes that an embedded set does not have. Pictures say themselves what they have.
pub(super) fn refuse_unknown_classes(loaded: &LoadedStudy, set: &dyn Embedded) -> Result<()> {
    let study = &loaded.study;
    let known = set.classes();
    let trained = study.base.from.is_empty();
    let corpus = if trained { &study.base.corpus.classes[..] } else { &[] };
    for (key, classes) in
        [("images.classes", &study.images.classes[..]), ("base.corpus.classes", corpus)]
    {
        if let Some(class) = classes.iter().find(|class| !known.contains(&class.as_str())) {
            let message = format!("`{key}` names {class:?}; the images have {}", known.join(", "));
            let place = loaded.place(key);
            return Err(StudyError::Invalid(vec![Problem { place, message }]).into());
        }
    }
    Ok(())
}

/// The files of an embedded set, if it is made of files.
pub(super) fn files(set: &dyn Embedded, folder: &Path, store: &Store) -> Result<Option<Input>> {
    let mut files = Vec::new();
    for name in set.files() {
        let path = folder.join(name);
        if !path.is_file() {
            return Ok(Some(Input::Absent(format!("images.path: {}", set.missing(&path)))));
        }
        files.push(InputFile { name: name.to_owned(), digest: store.file_digest(&path)?, path });
    }
    Ok((!files.is_empty()).then_some(Input::Files(files)))
}

/// The files of the study's classes in blocks, and the tables beside them.
pub(super) fn pictures(
    loaded: &LoadedStudy,
    set: &dyn sets::Pictures,
    store: &Store,
) -> Result<Pictures> {
    Ok(catalogued(loaded, set, store)?.0)
}

/// What the study's sets ask for and the set does not have, where its pictures are there: what the
/// tasks that draw them would refuse after all has been decoded. Pictures that turn
/// out to be unusable or copies are not known yet, so that a study that leaves those out may still
/// fall short, and is only warned here.
///
/// # Errors
/// If a study that uses every picture asks for more than there is.
pub(super) fn shortfalls(
    loaded: &LoadedStudy,
    set: &dyn sets::Pictures,
    store: &Store,
) -> Result<Option<String>> {
    let images = &loaded.study.images;
    let (found, catalogue) = catalogued(loaded, set, store)?;
    let catalogue = match catalogue {
        Some(catalogue) => catalogue,
        None if set.is_packed() => match of_shards(loaded, set, &found.blocks)? {
            Some(catalogue) => catalogue,
            None if is_absent(&found) => return Ok(None),
            None => return Ok(Some(shards::UNCOUNTED.to_owned())),
        },
        None => return Ok(None),
    };
    let missing = found.missing.iter().collect::<HashSet<_>>();
    let there = catalogue.records.into_iter().filter(|record| !missing.contains(&record.file));
    let records = there.collect::<Vec<_>>();
    let alone = (0..records.len()).collect::<Vec<_>>();
    let seed = loaded.study.root_seed().child("cohort");
    let (classes, asked) = (&images.classes, images.sets());
    let Err(shortfalls) = sets::split(images.source, &records, &alone, classes, &asked, seed)
    else {
        return Ok(None);
    };
    if images.unusable == Unusable::Drop || images.dedupe == Dedupe::DropFromTrain {
        return Ok(Some(shortfalls.to_string()));
    }
    let problem =
        |few: &TooFew| Problem { place: loaded.place(&few.key), message: few.to_string() };
    let mut problems = shortfalls.lacking.iter().map(problem).collect::<Vec<_>>();
    if let Some(last) = problems.last_mut() {
        last.message = format!("{}; {}", last.message, shortfalls.way_on());
    }
    Err(StudyError::Invalid(problems).into())
}

/// The pictures, and the records of those that are no members of shards, unless something of them is
/// not there.
fn catalogued(
    loaded: &LoadedStudy,
    set: &dyn sets::Pictures,
    store: &Store,
) -> Result<(Pictures, Option<Catalogue>)> {
    let root = here(loaded, loaded.images_folder())?;
    let packed = set.is_packed();
    let mut read = BTreeMap::new();
    let tables = tables(loaded, set, &root, store, &mut read)?;
    if !root.is_dir() || tables.iter().any(|(_, input)| matches!(input, Input::Absent(_))) {
        let blocks = absent_blocks(loaded, &root);
        return Ok((Pictures { tables, blocks, packed, ..Pictures::default() }, None));
    }
    let found = set.files(&root)?;
    if packed {
        let blocks = shards(&root, "images.path", |_| true, store)?;
        let others = found.pictures.iter().chain(&found.others).filter(|file| !is_shard(file));
        let others = others.collect::<Vec<_>>();
        let listing = sets::count_unused("file", "beside the shards", &others);
        let listing = listing.into_iter().collect();
        let missing = Vec::new();
        return Ok((Pictures { tables, blocks, packed, listing, missing }, None));
    }
    let images = &loaded.study.images;
    let contents = Contents {
        tables: &read,
        files: &found.pictures,
        folder: Some(Folder { root: &root, others: &found.others }),
        packed: &[],
        classes: &images.classes,
        ignored: &images.ignored_columns,
        skin_type: images.skin_type,
    };
    let catalogue = set.catalogue(contents)?;
    catalogue.has_all(&images.exclude)?;
    let catalogue = catalogue.of(&images.classes)?;
    let (blocks, missing) = blocks(loaded, &root, &catalogue.records, store)?;
    let catalogue = catalogue.without(&images.exclude);
    let listing = catalogue.listing.clone();
    Ok((Pictures { tables, blocks, packed, listing, missing }, Some(catalogue)))
}

/// Whether the pictures, or a table of them, are not there.
fn is_absent(found: &Pictures) -> bool {
    let tables = found.tables.iter().map(|(_, input)| input);
    let mut inputs = tables.chain(found.blocks.iter().map(|block| &block.files));
    inputs.any(|input| matches!(input, Input::Absent(_)))
}

/// The records of the study's classes in shards that are there.
fn of_shards(
    loaded: &LoadedStudy,
    set: &dyn sets::Pictures,
    blocks: &[Block],
) -> Result<Option<Catalogue>> {
    let images = &loaded.study.images;
    let Some(packed) = shards::records(blocks)? else { return Ok(None) };
    let contents = Contents {
        tables: &BTreeMap::new(),
        files: &[],
        folder: None,
        packed: &packed,
        classes: &images.classes,
        ignored: &images.ignored_columns,
        skin_type: images.skin_type,
    };
    let catalogue = set.catalogue(contents)?;
    catalogue.has_all(&images.exclude)?;
    Ok(Some(catalogue.of(&images.classes)?.without(&images.exclude)))
}

/// The set's tables as inputs; those that are there are also read.
fn tables(
    loaded: &LoadedStudy,
    set: &dyn sets::Pictures,
    root: &Path,
    store: &Store,
    read: &mut BTreeMap<TableRole, Table>,
) -> Result<Vec<(String, Input)>> {
    let mut inputs = Vec::new();
    for role in TableRole::ALL {
        let own = match role {
            TableRole::Annotations => set.own_table().map(|name| root.join(name)),
            TableRole::HeldOutList | TableRole::TrainingList => None,
        };
        let Some(path) = loaded.images_table(role.name()).or(own) else { continue };
        let path = here(loaded, path)?;
        let input = if path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let bytes = regular::read(&path).with_context(|| format!("read {}", path.display()))?;
            read.insert(role, Table::read(&bytes, &path.display().to_string())?);
            Input::Files(vec![InputFile { name, digest: store.file_digest(&path)?, path }])
        } else {
            Input::Absent(absent(&format!("images.{}", role.name()), &path))
        };
        inputs.push((role.name().to_owned(), input));
    }
    Ok(inputs)
}

/// A block for each class of a set that is not there, or whose tables are not.
fn absent_blocks(loaded: &LoadedStudy, root: &Path) -> Vec<Block> {
    let images = &loaded.study.images;
    let what = if root.is_dir() {
        "images.path (the pictures: which ones, the tables say)".to_owned()
    } else {
        absent("images.path", root)
    };
    let pictures = images.pool + images.held_out + images.validation + images.plentiful;
    let block = |class: &String| Block {
        name: class.clone(),
        files: Input::Absent(what.clone()),
        pictures,
    };
    images.classes.iter().map(block).collect()
}

/// The pictures of each class in blocks, and those that are not there. Excluded ones stay in their
/// blocks, so that excluding one decodes nothing anew; they may be missing.
fn blocks(
    loaded: &LoadedStudy,
    root: &Path,
    records: &[Record],
    store: &Store,
) -> Result<(Vec<Block>, Vec<String>)> {
    let images = &loaded.study.images;
    let mut missing = Vec::new();
    let mut of_class = BTreeMap::<&str, Vec<InputFile>>::new();
    for record in records {
        let path = root.join(&record.file);
        if path.is_file() {
            let file =
                InputFile { name: record.file.clone(), digest: store.file_digest(&path)?, path };
            of_class.entry(&record.label).or_default().push(file);
        } else if !images.exclude.contains(&record.id) {
            missing.push(record.file.clone());
        }
    }
    if !missing.is_empty() && (images.unusable == Unusable::Refuse || of_class.is_empty()) {
        bail!(describe_missing(&missing, records.len(), root));
    }
    let most = (BLOCK_BYTES / (3 * images.size * images.size)).clamp(16, 2048);
    let mut blocks = Vec::new();
    for (class, files) in of_class {
        for (bits, files) in divide(files, most, |file| &file.name) {
            let (name, pictures) = (format!("{}/{bits}", visible(class)), files.len());
            blocks.push(Block { name, files: Input::Files(files), pictures });
        }
    }
    Ok((blocks, missing))
}

fn describe_missing(missing: &[String], of: usize, root: &Path) -> String {
    format!(
        "{} of {of} pictures are not in {}: {}\n  put them there, or set images.unusable = \"drop\" to go on without them",
        missing.len(),
        root.display(),
        some_of(missing, NAMED, ", ")
    )
}

/// Items in parts of at most `most`, each part called by the bits in which the hashes of its items'
/// names end. A part that is too large is divided in two by the next bit and the others stay, so an
/// item more changes its own part only, and one less its own or the two that become one.
fn divide<T>(items: Vec<T>, most: usize, name: fn(&T) -> &str) -> Vec<(String, Vec<T>)> {
    let hash = |item: &T| {
        let hash = blake3::hash(name(item).as_bytes());
        u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes"))
    };
    let items = items.into_iter().map(|item| (hash(&item), item)).collect();
    let mut parts = Vec::new();
    let mut waiting = vec![(String::new(), items)];
    while let Some((bits, items)) = waiting.pop() {
        let items: Vec<(u64, T)> = items;
        if items.len() <= most || bits.len() == 64 {
            let bits = if bits.is_empty() { "0".to_owned() } else { bits };
            parts.push((bits, items.into_iter().map(|(_, item)| item).collect::<Vec<_>>()));
            continue;
        }
        let (ones, zeros) = items.into_iter().partition(|(hash, _)| (hash >> bits.len()) & 1 == 1);
        waiting.extend([(format!("1{bits}"), ones), (format!("0{bits}"), zeros)]);
    }
    parts.retain(|(_, items)| !items.is_empty());
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// As pictures come one by one, from none to where parts were divided many times: each changes
    /// its own part and no other.
    #[test]
    fn a_picture_more_changes_one_block() {
        let parts = |count: usize| {
            let names = (0..count).map(|at| format!("nevus/{at}.jpg")).collect();
            divide(names, 16, String::as_str).into_iter().collect::<BTreeSet<_>>()
        };
        let mut before = parts(1);
        let mut divisions = 0;
        for count in 2..600 {
            let now = parts(count);
            assert!(now.iter().all(|(_, files)| (1..=16).contains(&files.len())));
            assert_eq!(now.iter().map(|(_, files)| files.len()).sum::<usize>(), count);
            assert!(before.difference(&now).count() <= 1, "{count} pictures");
            divisions += usize::from(now.len() > before.len() && before.len() > 1);
            before = now;
        }
        assert!(divisions > 20, "parts were divided {divisions} times");
    }
}
