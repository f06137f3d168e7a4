//! A picture of a video, by the `ffmpeg` program when there is one: decoding what strangers send belongs in a process of
//! its own, that may crash, hang or run out of memory without taking the server along.
//!
//! The program reads one local file and nothing else (`-protocol_whitelist file`), as the kind of file that the server
//! itself saw in it, writes one picture to a pipe, and has 20 seconds, 2 GiB and the lowest priority.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit, setpriority_process};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Address space, bytes.
const MEMORY: u64 = 2 << 30;

/// The longest picture that is taken from it, bytes: 1280 pixels of JPEG are below one megabyte.
const MAX_PICTURE: u64 = 16 << 20;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PosterError {
    #[error("the decoder could not be run: {0}")]
    Io(#[from] io::Error),
    #[error("the decoder took longer than {} s", PATIENCE.as_secs())]
    Slow,
    #[error("the decoder found no picture: {0}")]
    NoPicture(String),
}

/// The program to use: `setting` is a path, `off`, or empty to look through the folders of `PATH`.
#[must_use]
pub fn find(setting: &str) -> Option<PathBuf> {
    match setting {
        "off" => None,
        "" => {
            std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join("ffmpeg")).find(|p| p.is_file())
        }
        path => Some(PathBuf::from(path)),
    }
}

/// Makes a JPEG of a moment of the video at `path`, upright, at most 1280 pixels wide and high. `duration_ms` as the file
/// says. Blocks for up to 20 s.
///
/// # Errors
/// Any [`PosterError`].
pub fn make(ffmpeg: &Path, path: &Path, duration_ms: Option<u64>) -> Result<Vec<u8>, PosterError> {
    // The first pictures of many cameras are black, or the ground.
    let at = if duration_ms.is_some_and(|length| length > 3_000) { "1" } else { "0" };
    let mut input = std::ffi::OsString::from("file:");
    input.push(path);
    let mut decoder = Command::new(ffmpeg)
        .env_clear()
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"])
        .args(["-protocol_whitelist", "file", "-f", "mov", "-ss", at, "-i"])
        .arg(input)
        .args(["-an", "-sn", "-dn", "-map", "0:v:0", "-frames:v", "1", "-threads", "1"])
        .args(["-vf", "scale=w='min(1280,iw)':h='min(1280,ih)':force_original_aspect_ratio=decrease"])
        .args(["-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p", "-f", "image2pipe", "pipe:1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(pid) = i32::try_from(decoder.id()).ok().and_then(Pid::from_raw) {
        let limit = |most| Rlimit { current: Some(most), maximum: Some(most) };
        prlimit(Some(pid), Resource::As, limit(MEMORY)).map_err(io::Error::from)?;
        prlimit(Some(pid), Resource::Cpu, limit(PATIENCE.as_secs())).map_err(io::Error::from)?;
        setpriority_process(Some(pid), 19).map_err(io::Error::from)?;
    }
    let picture = reader(decoder.stdout.take(), MAX_PICTURE);
    let complaint = reader(decoder.stderr.take(), 4_096);
    let end = Instant::now() + PATIENCE;
    let ended = loop {
        match decoder.try_wait()? {
            Some(status) => break Some(status),
            None if Instant::now() > end => break None,
            None => thread::sleep(Duration::from_millis(10)),
        }
    };
    if ended.is_none() {
        decoder.kill()?;
        decoder.wait()?;
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    let (picture, complaint) = (picture.join().unwrap_or_default(), complaint.join().unwrap_or_default());
    match ended {
        None => Err(PosterError::Slow),
        Some(_) if !picture.is_empty() => Ok(picture),
        Some(_) => Err(PosterError::NoPicture(text(complaint))),
    }
}

/// Reads a pipe to its end, keeping no more than `most` bytes.
fn reader(pipe: Option<impl Read + Send + 'static>, most: u64) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut pipe) = pipe {
            // What is read before an error may still be a picture; the decoder of pictures judges it.
            drop(pipe.by_ref().take(most).read_to_end(&mut kept));
            drop(io::copy(&mut pipe, &mut io::sink()));
        }
        kept
    })
}
