//! MNIST-format image sets: pairs of gzipped IDX files in a folder, as Debian's
//! dataset-fashion-mnist installs them.
//!
//! The format is Y. LeCun's: big-endian, magic 2051 (images: count, rows, columns, then bytes) or
//! 2049 (labels: count, then bytes).

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::set::{Draw, Embedded, Progress, ReadFile, SetError};
use crate::data::{Item, RgbImage, selection};
use crate::regular;

/// Where Debian installs the package [`PACKAGE`].
pub const FASHION_MNIST_FOLDER: &str = "/usr/share/datasets/fashion-mnist";
/// The Debian package that holds the files.
pub const PACKAGE: &str = "dataset-fashion-mnist";

/// The classes of Fashion-MNIST in the order of their numbers, with the noun phrase for captions.
pub const FASHION_MNIST_CLASSES: [(&str, &str); 10] = [
    ("t-shirt", "a t-shirt"),
    ("trouser", "a pair of trousers"),
    ("pullover", "a pullover"),
    ("dress", "a dress"),
    ("coat", "a coat"),
    ("sandal", "a sandal"),
    ("shirt", "a shirt"),
    ("sneaker", "a sneaker"),
    ("bag", "a bag"),
    ("ankle boot", "an ankle boot"),
];

/// The width and height of an image: the files' 28 px are centred on it.
pub const SIZE: usize = 32;

const IMAGES_MAGIC: u32 = 2051;
const LABELS_MAGIC: u32 = 2049;

/// What is wrong with a folder of IDX files.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// The folder or one of its files is not there.
    #[error("`{}` is missing: install the package {PACKAGE} (apt-get install {PACKAGE}) or name another folder", .path.display())]
    Missing {
        /// The folder or the file.
        path: PathBuf,
    },
    /// A file can't be read or unpacked.
    #[error("`{}` can't be read: {cause}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of reading or unpacking it.
        cause: io::Error,
    },
    /// A file does not begin with the number that marks its kind.
    #[error("`{}` starts with {found}, not with {expected}: it holds no IDX {what}", .path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// What the file should hold: "images" or "labels".
        what: &'static str,
        /// The number that it begins with.
        found: u32,
        /// The number that it should begin with.
        expected: u32,
    },
    /// A file is shorter than a header, or its length is not what its header says.
    #[error("`{}` is cut off: {found} bytes of {what} where its header says {expected}", .path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What the lengths are of: "header", "images" or "labels".
        what: &'static str,
        /// Bytes that are there.
        found: usize,
        /// Bytes that should be there.
        expected: usize,
    },
    /// The images have no pixels, or a side longer than [`SIZE`].
    #[error("`{}` holds images of {rows} x {columns} pixels: at most {SIZE} x {SIZE} expected", .path.display())]
    Shape {
        /// The file of images.
        path: PathBuf,
        /// Rows of an image.
        rows: usize,
        /// Columns of an image.
        columns: usize,
    },
    /// The numbers of images and labels differ.
    #[error("`{}` holds {images} images and `{}` {labels} labels", .images_path.display(), .labels_path.display())]
    Count {
        /// The file of images.
        images_path: PathBuf,
        /// How many images there are.
        images: usize,
        /// The file of labels.
        labels_path: PathBuf,
        /// How many labels there are.
        labels: usize,
    },
    /// A label is not the number of a class.
    #[error("`{}`: label {label} of item {index} is not one of the 10 classes", .path.display())]
    Label {
        /// The file of labels.
        path: PathBuf,
        /// The item's position, from 0.
        index: usize,
        /// The label.
        label: u8,
    },
}

/// Which of the set's two pairs of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// 60,000 images.
    Train,
    /// 10,000 images.
    Test,
}

impl Part {
    /// Both, in the order of their items.
    pub const ALL: [Self; 2] = [Self::Train, Self::Test];

    /// The files' names as they are installed: images, labels.
    pub fn files(self) -> [&'static str; 2] {
        match self {
            Self::Train => ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"],
            Self::Test => ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"],
        }
    }

    /// Their names once unpacked.
    pub fn unpacked(self) -> [&'static str; 2] {
        self.files().map(|file| file.trim_end_matches(".gz"))
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "t10k",
        }
    }
}

/// Fashion-MNIST, the set of study files that say `idx`.
pub struct FashionMnist;

impl Embedded for FashionMnist {
    fn title(&self) -> &'static str {
        "Fashion-MNIST"
    }

    fn classes(&self) -> Vec<&'static str> {
        FASHION_MNIST_CLASSES.iter().map(|(name, _)| *name).collect()
    }

    fn files(&self) -> Vec<&'static str> {
        Part::ALL.into_iter().flat_map(Part::files).collect()
    }

    fn missing(&self, path: &Path) -> String {
        IdxError::Missing { path: path.to_owned() }.to_string()
    }

    fn unpack(&self, folder: &Path) -> Result<Vec<(String, Vec<u8>)>, SetError> {
        let mut unpacked = Vec::new();
        for part in Part::ALL {
            unpacked.extend(unpack(folder, part)?.map(|(name, bytes)| (name.to_owned(), bytes)));
        }
        Ok(unpacked)
    }

    fn cohort(
        &self,
        draw: &Draw<'_>,
        read: ReadFile<'_>,
        _progress: Progress<'_>,
    ) -> Result<Vec<Item>, SetError> {
        let range = draw.start..draw.start + draw.count;
        Ok(selection::of_each(all(read)?, draw.classes, range, draw.key, draw.seed)?)
    }

    fn corpus(
        &self,
        draw: &Draw<'_>,
        read: ReadFile<'_>,
        _progress: Progress<'_>,
    ) -> Result<Vec<Item>, SetError> {
        Ok(selection::of_all(all(read)?, draw.classes, draw.count, draw.key, draw.seed)?)
    }
}

/// The 70,000 items of Fashion-MNIST, from the unpacked files.
fn all(read: ReadFile<'_>) -> Result<Vec<Item>, SetError> {
    let mut all = Vec::new();
    for part in Part::ALL {
        let [images, labels] = part.unpacked();
        all.extend(items(part, &read(images)?, &read(labels)?)?);
    }
    Ok(all)
}

/// The two files of one part: name once unpacked, and bytes. They are whole and belong together.
pub fn unpack(folder: &Path, part: Part) -> Result<[(&'static str, Vec<u8>); 2], IdxError> {
    if !folder.is_dir() {
        return Err(IdxError::Missing { path: folder.to_owned() });
    }
    let [images_path, labels_path] = part.files().map(|file| folder.join(file));
    let (images, labels) = (gunzip(&images_path)?, gunzip(&labels_path)?);
    Pair::new([&images_path, &labels_path], &images, &labels)?;
    let [images_name, labels_name] = part.unpacked();
    Ok([(images_name, images), (labels_name, labels)])
}

/// Every image of one part, in file order, as 32 px RGB with the grey level repeated, centred on
/// black.
pub fn items(part: Part, images: &[u8], labels: &[u8]) -> Result<Vec<Item>, IdxError> {
    let pair = Pair::new(part.unpacked().map(Path::new), images, labels)?;
    let item = |(index, &label): (usize, &u8)| {
        let (name, phrase) = FASHION_MNIST_CLASSES[usize::from(label)];
        Item {
            id: format!("{}-{index:05}", part.prefix()),
            label: name.to_owned(),
            fst: 0,
            malignant: Some(false),
            patient: String::new(),
            caption: format!("A photo of {phrase}"),
            source: "fashion-mnist".to_owned(),
            image: pair.images.centred(index),
            synthetic: None,
        }
    };
    Ok(pair.labels.iter().enumerate().map(item).collect())
}

/// Images and as many labels, each of a class.
struct Pair<'a> {
    images: GreyImages<'a>,
    labels: &'a [u8],
}

impl<'a> Pair<'a> {
    /// `paths` are for messages.
    fn new(
        [images_path, labels_path]: [&Path; 2],
        images: &'a [u8],
        labels: &'a [u8],
    ) -> Result<Self, IdxError> {
        let (dimensions, levels) = parse(images_path, images, "images", IMAGES_MAGIC, 3)?;
        let (rows, columns) = (dimensions[1], dimensions[2]);
        if !(1..=SIZE).contains(&rows) || !(1..=SIZE).contains(&columns) {
            return Err(IdxError::Shape { path: images_path.to_owned(), rows, columns });
        }
        let images = GreyImages { rows, columns, levels };
        let (_, labels) = parse(labels_path, labels, "labels", LABELS_MAGIC, 1)?;
        if images.count() != labels.len() {
            let (images_path, labels_path) = (images_path.to_owned(), labels_path.to_owned());
            return Err(IdxError::Count {
                images_path,
                images: images.count(),
                labels_path,
                labels: labels.len(),
            });
        }
        if let Some((index, &label)) = labels
            .iter()
            .enumerate()
            .find(|(_, label)| **label >= FASHION_MNIST_CLASSES.len() as u8)
        {
            return Err(IdxError::Label { path: labels_path.to_owned(), index, label });
        }
        Ok(Self { images, labels })
    }
}

struct GreyImages<'a> {
    rows: usize,
    columns: usize,
    levels: &'a [u8],
}

impl GreyImages<'_> {
    fn count(&self) -> usize {
        self.levels.len() / (self.rows * self.columns)
    }

    fn centred(&self, index: usize) -> RgbImage {
        let mut image = RgbImage::new(SIZE, SIZE);
        let (left, top) = ((SIZE - self.columns) / 2, (SIZE - self.rows) / 2);
        let first = index * self.rows * self.columns;
        for row in 0..self.rows {
            for column in 0..self.columns {
                let level = self.levels[first + row * self.columns + column];
                image.set_pixel(left + column, top + row, [level; 3]);
            }
        }
        image
    }
}

/// Bytes that an unpacked file may have: MNIST's largest has 47 million.
const LARGEST: u64 = 1 << 30;

fn gunzip(path: &Path) -> Result<Vec<u8>, IdxError> {
    let unpacked = || regular::open(path).map(|file| GzDecoder::new(file).take(LARGEST + 1));
    // Counted first: what unpacks to too much takes no memory then, and all else what it has and no
    // more.
    let read = || -> io::Result<Vec<u8>> {
        let count = io::copy(&mut unpacked()?, &mut io::sink())?;
        if count > LARGEST {
            let cause =
                format!("unpacked, it has more than {LARGEST} bytes, the most that is read");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, cause));
        }
        let mut bytes = Vec::with_capacity(count as usize);
        unpacked()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => IdxError::Missing { path: path.to_owned() },
        _ => IdxError::Read { path: path.to_owned(), cause },
    })
}

/// The dimensions and the values of an IDX file.
fn parse<'a>(
    path: &Path,
    bytes: &'a [u8],
    what: &'static str,
    magic: u32,
    axes: usize,
) -> Result<(Vec<usize>, &'a [u8]), IdxError> {
    let header = 4 * (1 + axes);
    if bytes.len() < header {
        return Err(IdxError::Truncated {
            path: path.to_owned(),
            what: "header",
            found: bytes.len(),
            expected: header,
        });
    }
    let words: Vec<u32> =
        bytes[..header].as_chunks().0.iter().map(|word| u32::from_be_bytes(*word)).collect();
    if words[0] != magic {
        return Err(IdxError::Magic {
            path: path.to_owned(),
            what,
            found: words[0],
            expected: magic,
        });
    }
    let dimensions: Vec<usize> = words[1..].iter().map(|&length| length as usize).collect();
    let expected = dimensions
        .iter()
        .try_fold(1_usize, |product, &length| product.checked_mul(length))
        .unwrap_or(usize::MAX);
    let body = &bytes[header..];
    if body.len() != expected {
        return Err(IdxError::Truncated {
            path: path.to_owned(),
            what,
            found: body.len(),
            expected,
        });
    }
    Ok((dimensions, body))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn write_gz(path: &Path, words: &[u32], body: &[u8]) {
        let mut encoder = flate2::write::GzEncoder::new(
            std::fs::File::create(path).unwrap(),
            flate2::Compression::fast(),
        );
        for word in words {
            encoder.write_all(&word.to_be_bytes()).unwrap();
        }
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap();
    }

    /// Header words and body.
    type IdxFile<'a> = (&'a [u32], &'a [u8]);

    fn folder(images: IdxFile, labels: IdxFile) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        write_gz(&folder.path().join(Part::Test.files()[0]), images.0, images.1);
        write_gz(&folder.path().join(Part::Test.files()[1]), labels.0, labels.1);
        folder
    }

    fn fashion_mnist(folder: &Path, part: Part) -> Result<Vec<Item>, IdxError> {
        let [(_, images), (_, labels)] = unpack(folder, part)?;
        items(part, &images, &labels)
    }

    #[test]
    fn images_are_centred_and_named() {
        let mut levels = [0; 2 * 28 * 28];
        levels[0] = 200;
        levels[2 * 28 * 28 - 1] = 90;
        let folder = folder((&[2051, 2, 28, 28], &levels), (&[2049, 2], &[7, 9]));
        let items = fashion_mnist(folder.path(), Part::Test).unwrap();
        assert_eq!(items[0].image.pixel(2, 2), [200; 3]);
        assert_eq!(items[1].image.pixel(29, 29), [90; 3]);
        assert_eq!((items[1].image.width, items[1].id.as_str()), (32, "t10k-00001"));
        assert_eq!(
            (items[0].label.as_str(), items[0].caption.as_str()),
            ("sneaker", "A photo of a sneaker")
        );
    }

    #[test]
    fn a_missing_set_names_the_package() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("absent")] {
            let error = fashion_mnist(&path, Part::Train).unwrap_err().to_string();
            assert!(error.contains("apt-get install dataset-fashion-mnist"), "{error}");
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let cases: [(IdxFile, IdxFile, &str); 6] = [
            ((&[2049, 1, 2, 2], &[0; 4]), (&[2049, 1], &[0]), "starts with 2049, not with 2051"),
            (
                (&[2051, 2, 2, 2], &[0; 7]),
                (&[2049, 2], &[0, 0]),
                "cut off: 7 bytes of images where its header says 8",
            ),
            (
                (&[2051, 1], &[]),
                (&[2049, 1], &[0]),
                "cut off: 8 bytes of header where its header says 16",
            ),
            ((&[2051, 1, 2, 2], &[0; 4]), (&[2049, 2], &[0, 1]), "holds 1 images and"),
            ((&[2051, 1, 2, 2], &[0; 4]), (&[2049, 1], &[10]), "label 10 of item 0"),
            ((&[2051, 1, 33, 2], &[0; 66]), (&[2049, 1], &[0]), "33 x 2 pixels"),
        ];
        for (images, labels, expected) in cases {
            let error =
                fashion_mnist(folder(images, labels).path(), Part::Test).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_file_cut_off_inside_its_gzip_stream_is_refused() {
        let folder = folder((&[2051, 1, 28, 28], &[3; 784]), (&[2049, 1], &[0]));
        let path = folder.path().join(Part::Test.files()[0]);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 6]).unwrap();
        assert!(matches!(fashion_mnist(folder.path(), Part::Test), Err(IdxError::Read { .. })));
    }

    #[test]
    fn the_debian_package_is_read() {
        let folder = Path::new(FASHION_MNIST_FOLDER);
        if !folder.exists() {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: {FASHION_MNIST_FOLDER} is not there (package {PACKAGE})"
            );
            return;
        }
        assert_eq!(fashion_mnist(folder, Part::Train).unwrap().len(), 60_000);
        let test = fashion_mnist(folder, Part::Test).unwrap();
        assert_eq!(test.len(), 10_000);
        assert_eq!(test[0].label, "ankle boot");
    }
}
