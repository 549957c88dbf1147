//! Files that hold far more than they take up. Each is read, left out or refused by name, and no process
//! ever takes 1.5 GiB.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flate2::{Compress, Compression, Crc, FlushCompress};

use crate::chain::Chain;
use crate::pictures::{CLASSES, picture, write};

const MOST: u64 = 3 << 29;
/// Pillow's largest picture is of so many pixels square.
const SIDE: u32 = 13_377;

#[test]
fn bombs_take_no_more_than_a_gibibyte_and_a_half() {
    let (shards, folder, idx) =
        (Chain::new("bombs-in-shards"), Chain::new("bombs-in-a-folder"), Chain::on_files("bombs"));
    for (chain, source) in [(&shards, "webdataset"), (&folder, "folder")] {
        let text = chain.study_text();
        let extends = text.lines().next().unwrap();
        chain.write_study(&format!(
            "{extends}\n[images]\nsource = {source:?}\npath = \"set\"\nplentiful = 0\npool = 2\nvalidation = 1\nheld_out = 2\n"
        ));
    }
    for class in CLASSES {
        for index in 0..12 {
            let path = folder.path("set").join(class).join(format!("{index}.png"));
            write(path, &picture(class, index).to_png("picture").unwrap());
        }
    }
    fs::create_dir(shards.path("set")).unwrap();
    let (shard, packed) = (shards.path("set/bomb.tar"), shards.path("set/bomb.tar.gz"));
    let class = folder.path("set").join(CLASSES[0]);

    many_large_members(&shard).unwrap();
    check("20 members of 250 MB", &shards, 0, "20 pictures");
    fs::write(&shard, tar_header("pax", b'x', 1_500_000_000)).unwrap();
    File::options().append(true).open(&shard).unwrap().set_len(1_500_010_000).unwrap();
    check("a PAX header of 1.5 GB", &shards, 1, "its headers are too long");
    fs::remove_file(&shard).unwrap();

    let start = tar_header("a.png", b'0', 3_000_000_000);
    fs::write(&packed, gzip(&start, 3000)).unwrap();
    check("a shard of 3 MB that unpacks to 3 GB", &shards, 1, "has 3000000000 bytes");
    let images = idx.path("images/train-images-idx3-ubyte.gz");
    fs::write(&images, gzip(&[0, 0, 8, 3, 0, 58, 97, 128, 0, 0, 0, 28, 0, 0, 0, 28], 3000))
        .unwrap();
    assert!(fs::metadata(&images).unwrap().len() < 4_000_000);
    let (code, said, most) = run(idx.command(&["reproduce"]));
    judge(
        "a gzipped file of 3 MB that unpacks to 3 GB",
        (code, &said, most),
        1,
        "more than 1073741824",
    );

    let large = class.join("large.png");
    fs::write(&large, picture(CLASSES[0], 99).to_png("picture").unwrap()).unwrap();
    File::options().append(true).open(&large).unwrap().set_len(3_000_000_000).unwrap();
    check("a PNG of 3 GB", &folder, 2, "large.png` has 3000000000 bytes: 268435456 at most");
    fs::remove_file(&large).unwrap();

    for name in ["wide.png", "wider.png"] {
        fs::write(class.join(name), vast_png()).unwrap();
    }
    check("two pictures of 178 megapixels", &folder, 0, "13377");
}

/// Runs `data check`, which has to end with this code and say this.
fn check(bomb: &str, chain: &Chain, code: i32, expected: &str) {
    let mut command = chain.command(&["data", "check"]);
    // Both processors have a picture in hand.
    command.args(["--out", "audit"]).env("RAYON_NUM_THREADS", "2");
    let (found, said, most) = run(command);
    judge(bomb, (found, &said, most), code, expected);
}

fn judge(bomb: &str, (found, said, most): (i32, &str, u64), code: i32, expected: &str) {
    let said = said.replace('\\', "");
    println!("{bomb}: {} MB at most", most / 1_000_000);
    assert!(found == code && said.contains(expected), "{bomb}: {found}: {said}");
    assert!(most < MOST, "{bomb}: {most} bytes of memory");
    assert!(most > 1 << 20, "{bomb}: nothing was measured");
}

/// A command's exit code, what it says, and the most memory that any of its processes had.
fn run(mut command: Command) -> (i32, String, u64) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let said = [
        std::thread::spawn(move || io::read_to_string(&mut stdout).unwrap()),
        std::thread::spawn(move || io::read_to_string(&mut stderr).unwrap()),
    ];
    let (code, most) = watched(&mut child);
    (code, said.map(|said| said.join().unwrap()).concat(), most)
}

/// Waits for a process. Whatever it and its descendants ever had counts, from the kernel's own mark.
fn watched(child: &mut Child) -> (i32, u64) {
    let mut most = 0;
    loop {
        let mut waiting = vec![child.id()];
        while let Some(process) = waiting.pop() {
            most = most.max(high_water(process).unwrap_or(0));
            for thread in
                fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten()
            {
                let children = fs::read_to_string(thread.path().join("children"));
                let children = children.unwrap_or_default();
                waiting.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            }
        }
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code().unwrap(), most);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn high_water(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn tar_header(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A shard of pictures that are followed by zeros, which take no place on the disk.
fn many_large_members(path: &Path) -> io::Result<()> {
    let mut shard = File::create(path)?;
    let size = 250 << 20;
    for index in 0..20 {
        let class = CLASSES[index % CLASSES.len()];
        shard.write_all(&tar_header(&format!("{index}.cls"), b'0', class.len() as u64))?;
        let mut name = class.as_bytes().to_vec();
        name.resize(512, 0);
        shard.write_all(&name)?;
        shard.write_all(&tar_header(&format!("{index}.png"), b'0', size))?;
        let start = shard.stream_position()?;
        shard.write_all(&picture(class, index).to_png("picture").unwrap())?;
        shard.seek(SeekFrom::Start(start + size))?;
    }
    let end = shard.stream_position()?;
    shard.set_len(end + 1024)
}

/// Deflated zeros: a start, and a block for as many millions as asked for.
struct Zeros {
    start: Vec<u8>,
    million: Vec<u8>,
}

impl Zeros {
    /// Blocks that stand alone, so that one can be repeated.
    fn after(start: &[u8]) -> Self {
        let mut packer = Compress::new(Compression::best(), false);
        let mut pack = |bytes: &[u8]| {
            let mut packed = Vec::with_capacity(1 << 20);
            packer.compress_vec(bytes, &mut packed, FlushCompress::Full).unwrap();
            packed
        };
        Self { start: pack(start), million: pack(&vec![0; 1_000_000]) }
    }

    fn packed(&self, millions: usize) -> Vec<u8> {
        [self.start.clone(), self.million.repeat(millions)].concat()
    }
}

/// A gzipped file of a start and zeros, without an end.
fn gzip(start: &[u8], millions: usize) -> Vec<u8> {
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    [&head[..], &Zeros::after(start).packed(millions)].concat()
}

/// A black and transparent picture of as many pixels as are read.
fn vast_png() -> Vec<u8> {
    let bytes = SIDE as usize * (1 + 4 * SIDE as usize);
    let mut pixels = [0x78, 0x9c].to_vec();
    pixels.extend(Zeros::after(&vec![0; bytes % 1_000_000]).packed(bytes / 1_000_000));
    // An empty last block, and the checksum of zeros: of Adler's two sums one is 1, the other the length.
    pixels.extend([3, 0]);
    pixels.extend((((bytes % 65_521) as u32) << 16 | 1).to_be_bytes());
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [&SIDE.to_be_bytes()[..], &SIDE.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    for (name, content) in [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", Vec::new())] {
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(&content);
        png.extend((content.len() as u32).to_be_bytes());
        png.extend([&name[..], &content].concat());
        png.extend(crc.sum().to_be_bytes());
    }
    png
}
