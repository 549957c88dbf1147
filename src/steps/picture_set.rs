//! A set of pictures from outside: what its annotations and its decoded pictures say together, and
//! which set of the study takes which.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Cursor;

use super::StepError;
use super::context::Context;
use super::decode::{FINGERPRINTS, PICTURES, Picture, SHARD, UNUSED};
use crate::data::catalogue::{Catalogue, Record, Table};
use crate::data::duplicates::{self, Fingerprint};
use crate::data::sets::{self, Contents, ImageSet, Packed, TableRole};
use crate::data::split::{self, Shortfalls};
use crate::data::webdataset::{self, Sample, ShardError, Unused};
use crate::data::{Item, RgbImage};
use crate::plan::kinds;
use crate::seed::Seed;
use crate::vocabulary::{ImageSource, Unusable};
use crate::wording::some_of;

/// Roles of the inputs that are decoded blocks.
pub const BLOCK: &str = "pictures/";

/// Every picture of the study's classes.
pub struct PictureSet {
    pub catalogue: Catalogue,
    /// By id.
    pub pictures: HashMap<String, Picture>,
    blocks: Vec<Block>,
}

/// A decoded block.
struct Block {
    role: String,
    /// The ids of its pictures where they are not those that the block has: of pictures whose ids
    /// other shards have too.
    renamed: HashMap<String, String>,
    /// Members of a shard that no sample uses, by their extension.
    unused: Unused,
}

impl Block {
    fn id<'a>(&'a self, own: &'a str) -> &'a str {
        self.renamed.get(own).map_or(own, String::as_str)
    }
}

impl PictureSet {
    /// The pictures of the decoded blocks, and of those that are `missing` the records.
    pub fn open(
        context: &Context,
        params: &kinds::PictureSet,
        missing: &[String],
    ) -> Result<Self, StepError> {
        let mut listed = Vec::new();
        let mut counts = HashMap::<String, usize>::new();
        for role in context.roles(BLOCK) {
            let pictures = context.json::<Vec<Picture>>(role, PICTURES)?;
            let ids = pictures.iter().map(|picture| picture.id.clone()).collect::<HashSet<_>>();
            ids.into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
            listed.push((role, pictures));
        }
        let packed = sets::of(params.source).is_packed();
        let mut pictures = HashMap::new();
        let (mut files, mut blocks) = (missing.to_vec(), Vec::new());
        for (role, of_block) in listed {
            let has_unused = context.input(role)?.entry(UNUSED).is_some();
            let unused = has_unused.then(|| context.json(role, UNUSED)).transpose()?;
            let mut block = Block {
                role: role.to_owned(),
                renamed: HashMap::new(),
                unused: unused.unwrap_or_default(),
            };
            for mut picture in of_block {
                // Shards are numbered anew by many programs: the key of one is none of another's.
                if packed && counts[&picture.id] > 1 {
                    let name = webdataset::apart(&role[BLOCK.len()..], &picture.id);
                    let own = std::mem::replace(&mut picture.id, name.clone());
                    block.renamed.insert(own, name);
                }
                files.push(picture.file.clone());
                if let Some(twice) = pictures.insert(picture.id.clone(), picture) {
                    let (now, id) = (&pictures[&twice.id].file, &twice.id);
                    return Err(
                        format!("`{}` and `{now}` have the one id `{id}`", twice.file).into()
                    );
                }
            }
            blocks.push(block);
        }
        let catalogue = catalogue(context, params, &files, &pictures)?;
        if packed {
            // What shards have is known only now.
            catalogue.has_all(&params.exclude)?;
        }
        let mut catalogue = catalogue.of(&params.classes)?.without(&params.exclude);
        if packed {
            catalogue.notes.append(&mut catalogue.listing);
        }
        Ok(Self { catalogue, pictures, blocks })
    }

    /// Members of shards that no sample uses, as sentences.
    pub fn unused(&self) -> Vec<String> {
        let mut unused = Unused::new();
        for (end, count) in self.blocks.iter().flat_map(|block| &block.unused) {
            *unused.entry(end.clone()).or_default() += count;
        }
        let said = |(end, count): (String, usize)| match end.as_str() {
            "" => format!("{count} members of the shards have no extension and are not used"),
            end => format!("{count} members of the shards that end in .{end} are not used"),
        };
        unused.into_iter().map(said).collect()
    }

    /// The picture of a record, if it is there and can be read.
    pub fn usable(&self, record: &Record) -> bool {
        self.pictures.get(&record.id).is_some_and(|picture| picture.error.is_none())
    }

    /// Leaves out the records without a usable picture, where the study says so.
    pub fn keep_usable(&mut self, unusable: Unusable) -> Result<(), StepError> {
        let lost =
            self.catalogue.records.iter().filter(|record| !self.usable(record)).collect::<Vec<_>>();
        if unusable == Unusable::Refuse && !lost.is_empty() {
            let why = |record: &&Record| match self.pictures.get(&record.id) {
                Some(picture) => picture.error.clone().unwrap_or_default(),
                None => format!("picture `{}` is not there", record.file),
            };
            let shown = some_of(&lost.iter().map(why).collect::<Vec<_>>(), 5, "\n  ");
            let count = lost.len();
            let message = format!(
                "{count} of {} pictures can't be used:\n  {shown}\n  images.unusable = \"drop\" goes on without them",
                self.catalogue.records.len()
            );
            return Err(message.into());
        }
        let Self { catalogue, pictures, .. } = self;
        catalogue.records.retain(|record| {
            pictures.get(&record.id).is_some_and(|picture| picture.error.is_none())
        });
        Ok(())
    }

    /// The records of each of the study's sets, by position.
    pub fn split(
        &self,
        params: &kinds::PictureSet,
        together: &[usize],
        seed: Seed,
    ) -> Result<Vec<Vec<usize>>, Shortfalls> {
        sets::split(
            params.source,
            &self.catalogue.records,
            together,
            &params.classes,
            &params.sets,
            seed,
        )
    }

    /// The records that go together, as `pairs` of ids say.
    pub fn together(&self, pairs: &[(String, String)]) -> Vec<usize> {
        let records = &self.catalogue.records;
        let places = records
            .iter()
            .enumerate()
            .map(|(at, record)| (record.id.as_str(), at))
            .collect::<HashMap<_, _>>();
        let pairs = pairs
            .iter()
            .filter_map(|(a, b)| Some((*places.get(a.as_str())?, *places.get(b.as_str())?)));
        split::joined(records.len(), pairs)
    }

    /// The images of some records, in their order.
    pub fn images(
        &self,
        context: &mut Context,
        records: &[usize],
    ) -> Result<Vec<RgbImage>, StepError> {
        let wanted = records
            .iter()
            .map(|&at| self.catalogue.records[at].id.as_str())
            .collect::<HashSet<_>>();
        let mut found = HashMap::new();
        for block in &self.blocks {
            let bytes = context.read(&block.role, SHARD)?;
            webdataset::for_each_sample(
                Cursor::new(bytes),
                &block.role,
                |sample: Sample| -> Result<(), ShardError> {
                    let own = sample.id();
                    let id = block.id(&own).to_owned();
                    if wanted.contains(id.as_str()) {
                        let image = RgbImage::from_png(&sample.picture, &id);
                        let member = sample.member;
                        found.insert(
                            id,
                            image.map_err(|cause| ShardError::Image {
                                shard: block.role.clone(),
                                member,
                                cause,
                            })?,
                        );
                    }
                    Ok(())
                },
            )?;
            context.images(found.len(), records.len());
        }
        let image = |&at: &usize| {
            let id = &self.catalogue.records[at].id;
            found.get(id).cloned().ok_or_else(|| format!("no block has the picture `{id}`").into())
        };
        records.iter().map(image).collect()
    }

    /// Some records with their images, as items.
    pub fn items(
        &self,
        context: &mut Context,
        source: ImageSource,
        records: &[usize],
    ) -> Result<Vec<Item>, StepError> {
        let images = self.images(context, records)?;
        let records = records.iter().map(|&at| &self.catalogue.records[at]);
        Ok(records.zip(images).map(|(record, image)| item(record, source, image)).collect())
    }

    /// The fingerprints of the records' pictures, with their positions.
    pub fn fingerprints(
        &self,
        context: &Context,
    ) -> Result<(Vec<usize>, Vec<Fingerprint>), StepError> {
        let records = &self.catalogue.records;
        let places = records
            .iter()
            .enumerate()
            .map(|(at, record)| (record.id.as_str(), at))
            .collect::<HashMap<_, _>>();
        let (mut at, mut all) = (Vec::new(), Vec::new());
        for block in &self.blocks {
            let bytes = context.read(&block.role, FINGERPRINTS)?;
            let usable = context
                .json::<Vec<Picture>>(&block.role, PICTURES)?
                .into_iter()
                .filter(|picture| picture.error.is_none());
            for (picture, bytes) in usable.zip(bytes.as_chunks::<{ duplicates::BYTES }>().0) {
                if let Some(&place) = places.get(block.id(&picture.id)) {
                    at.push(place);
                    all.push(Fingerprint::from_bytes(bytes));
                }
            }
        }
        Ok((at, all))
    }
}

fn item(record: &Record, source: ImageSource, image: RgbImage) -> Item {
    let Record { id, label, fst, malignant, patient, .. } = record.clone();
    let (caption, source) = (String::new(), source.name().to_owned());
    Item { id, label, fst, malignant, patient, caption, source, image, synthetic: None }
}

fn catalogue(
    context: &Context,
    params: &kinds::PictureSet,
    files: &[String],
    pictures: &HashMap<String, Picture>,
) -> Result<Catalogue, StepError> {
    let ImageSet::Pictures(set) = sets::of(params.source) else {
        return Err(format!("{} has no pictures", sets::of(params.source).title()).into());
    };
    let mut tables = BTreeMap::new();
    for role in TableRole::ALL {
        for file in context.files(role.name()) {
            let (name, bytes) = file?;
            tables.insert(role, Table::read(&bytes, name)?);
        }
    }
    let packed = packed(pictures);
    let contents = Contents {
        tables: &tables,
        files,
        folder: None,
        packed: &packed,
        classes: &params.classes,
        ignored: &params.ignored_columns,
        skin_type: params.skin_type,
    };
    Ok(set.catalogue(contents)?)
}

/// What the shards' own records say, in the order of the ids.
fn packed(pictures: &HashMap<String, Picture>) -> Vec<Packed> {
    let packed = |picture: &Picture| {
        let Picture { id, file, fields, .. } = picture.clone();
        Packed { id, file, fields }
    };
    let mut all = pictures.values().map(packed).collect::<Vec<_>>();
    all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Prediction, Predictions};
    use crate::steps::classifier::predictions;
    use crate::steps::training_set::Entry;

    const TABLE: &str = "file,patient\na/1.png,p1\na/2.png,\nb/3.png,p1\n";

    fn in_a_folder() -> Catalogue {
        let table = Table::read(TABLE.as_bytes(), "table.csv").unwrap();
        let tables = BTreeMap::from([(TableRole::Annotations, table)]);
        let files = ["a/1.png", "a/2.png", "b/3.png", "b/4.png"].map(str::to_owned);
        catalogue_of(ImageSource::Folder, &tables, &files, &[])
    }

    fn catalogue_of(
        source: ImageSource,
        tables: &BTreeMap<TableRole, Table>,
        files: &[String],
        packed: &[Packed],
    ) -> Catalogue {
        let ImageSet::Pictures(set) = sets::of(source) else { panic!("no set of pictures") };
        let skin_type = crate::vocabulary::SkinTypeScale::Scale;
        let classes = &["a".to_owned(), "b".to_owned()];
        let (folder, ignored) = (None, &[][..]);
        set.catalogue(Contents { tables, files, folder, packed, classes, ignored, skin_type })
            .unwrap()
    }

    fn in_shards() -> Catalogue {
        let records = [
            ("a", r#","patient":"p1""#),
            ("a", ""),
            ("b", r#","patient":" p1""#),
            ("b", r#","patient":"null""#),
        ];
        let picture = |(at, (label, patient)): (usize, (&str, &str))| {
            let id = format!("{label}-{}", at + 1);
            let json = format!(
                r#"{{"id":"{id}","file":"{id}.png","bytes":1,"fields":{{"label":"{label}"{patient}}}}}"#
            );
            (id, serde_json::from_str(&json).unwrap())
        };
        let packed = packed(&records.into_iter().enumerate().map(picture).collect());
        catalogue_of(ImageSource::Webdataset, &BTreeMap::new(), &[], &packed)
    }

    /// From a cohort's shard to the predictions of its images, seen as pixels or, through the
    /// features' list, by a head.
    fn predicted(catalogue: &Catalogue, of_features: bool) -> Predictions {
        let items = catalogue
            .records
            .iter()
            .map(|record| item(record, ImageSource::Folder, RgbImage::new(1, 1)));
        let items = items.collect::<Vec<_>>();
        let items =
            webdataset::read_shard(&webdataset::write_shard(&items).unwrap(), "shard.tar").unwrap();
        let mut entries = items.iter().map(Entry::from).collect::<Vec<_>>();
        let listed = serde_json::to_vec(&entries).unwrap();
        if of_features {
            entries = serde_json::from_slice(&listed).unwrap();
        }
        let classes = ["a", "b"].map(str::to_owned);
        let (_, stored) =
            predictions(entries.into_iter(), vec![vec![0.5, 0.5]; items.len()], &classes).unwrap();
        serde_json::from_slice(&stored).unwrap()
    }

    #[test]
    fn patients_are_in_the_predictions() {
        for (catalogue, set) in
            [(in_a_folder(), "a folder with a table"), (in_shards(), "shards with records")]
        {
            for of_features in [false, true] {
                let found = predicted(&catalogue, of_features);
                let found = found
                    .images()
                    .iter()
                    .map(|Prediction { id, patient, .. }| (id.as_str(), patient.as_str()));
                let expected = [("a-1", "p1"), ("a-2", ""), ("b-3", "p1"), ("b-4", "")];
                assert_eq!(
                    found.collect::<Vec<_>>(),
                    expected,
                    "{set}, of features: {of_features}"
                );
            }
        }
    }

    /// What is stored of images without patients is what it was before there were any.
    #[test]
    fn without_patients_the_stored_forms_do_not_mention_them() {
        let mut catalogue = in_a_folder();
        let stored = |catalogue: &Catalogue| {
            let item = item(&catalogue.records[0], ImageSource::Folder, RgbImage::new(1, 1));
            let entry = serde_json::to_string(&Entry::from(&item)).unwrap();
            let images = serde_json::to_string(&predicted(catalogue, false)).unwrap();
            (entry, images)
        };
        let (entry, images) = stored(&catalogue);
        assert!(
            entry.contains(r#""patient":"p1""#) && images.contains(r#""patient":"p1""#),
            "{entry}\n{images}"
        );
        catalogue.records.iter_mut().for_each(|record| record.patient.clear());
        let (entry, images) = stored(&catalogue);
        assert_eq!(entry, r#"{"id":"a-1","label":"a","fst":0,"source":"folder"}"#);
        assert!(!images.contains("patient"), "{images}");
    }
}
