//! Looks for files that are complete. A camera's card or a copy in progress grows; what stays as it is, is done.

use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A complete file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Last change, whole microseconds.
    pub mtime: DateTime<Utc>,
    /// Media type by its name.
    pub mime: &'static str,
}

/// What one look saw.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Files that did not change for the settling time.
    pub complete: Vec<Found>,
    /// Files that still change, or are seen for the first time.
    pub growing: usize,
    /// Folders and files that could not be looked at, with the reason.
    pub trouble: Vec<(PathBuf, String)>,
}

/// Watches a folder tree by polling: memory cards, network folders and cameras that act as drives have no events.
pub struct Scanner {
    root: PathBuf,
    /// Whether the folders of [`cards`] directly below are somebody else's.
    without_cards: bool,
    settle: Duration,
    seen: BTreeMap<PathBuf, Seen>,
}

struct Seen {
    size: u64,
    mtime: DateTime<Utc>,
    since: Instant,
}

/// Deeper than any camera goes; keeps a card with a damaged directory from being walked for ever.
const MAX_DEPTH: usize = 16;

impl Scanner {
    /// A scanner of `root`; a file is complete when its size and time have not changed for `settle`.
    pub fn new(root: &Path, settle: Duration) -> Scanner {
        Scanner { root: root.to_owned(), without_cards: false, settle, seen: BTreeMap::new() }
    }

    /// A scanner of what lies in `root` beside the folders of [`cards`].
    pub fn beside_cards(root: &Path, settle: Duration) -> Scanner {
        Scanner { without_cards: true, ..Scanner::new(root, settle) }
    }

    /// Walks the tree once.
    pub fn look(&mut self, now: Instant) -> Look {
        let mut look = Look::default();
        let mut here = HashSet::new();
        let mut folders = vec![(self.root.clone(), 0usize)];
        while let Some((folder, depth)) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    look.trouble.push((folder, error.to_string()));
                    continue;
                }
            };
            for entry in entries {
                let (path, kind) = match entry.and_then(|e| Ok((e.path(), e.file_type()?))) {
                    Ok(found) => found,
                    Err(error) => {
                        look.trouble.push((folder.clone(), error.to_string()));
                        continue;
                    }
                };
                if skipped(&path) {
                    continue;
                }
                // Links are not followed: a card has none, and elsewhere they make loops.
                if kind.is_dir() && depth < MAX_DEPTH {
                    if self.without_cards && depth == 0 && is_card(&path) {
                        continue;
                    }
                    folders.push((path, depth + 1));
                } else if kind.is_file()
                    && let Some(mime) = media_type(&path)
                {
                    here.insert(path.clone());
                    self.file(path, mime, now, &mut look);
                }
            }
        }
        self.seen.retain(|path, _| here.contains(path));
        look.complete.sort_by(|a, b| (a.mtime, &a.path).cmp(&(b.mtime, &b.path)));
        look
    }

    fn file(&mut self, path: PathBuf, mime: &'static str, now: Instant, look: &mut Look) {
        let (size, mtime) = match fs::metadata(&path).and_then(|m| Ok((m.len(), modified(&m)?))) {
            Ok(facts) => facts,
            Err(error) => {
                look.trouble.push((path, error.to_string()));
                return;
            }
        };
        let seen = self.seen.entry(path.clone()).or_insert(Seen { size, mtime, since: now });
        if (seen.size, seen.mtime) != (size, mtime) {
            *seen = Seen { size, mtime, since: now };
        }
        // A camera makes the file before it writes the first byte.
        if size > 0 && now.duration_since(seen.since) >= self.settle {
            look.complete.push(Found { path, size, mtime, mime });
        } else {
            look.growing += usize::from(size > 0);
        }
    }
}

/// The folders directly below `root` that are cards: a camera each. What stands on a card itself is none.
///
/// # Errors
/// The system's own.
pub fn cards(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut cards = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        // The kind comes with the listing: a card that does not answer is not asked.
        if entry.file_type()?.is_dir() && is_card(&entry.path()) && !skipped(&entry.path()) {
            cards.push(entry.path());
        }
    }
    cards.sort();
    Ok(cards)
}

/// Folders that cameras make on their card (DCF, AVCHD and what vendors add).
const OF_A_CARD: [&str; 10] =
    ["dcim", "misc", "private", "mp_root", "avf_info", "video", "photo", "audio", "log", "record"];

fn is_card(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    // DCF: three digits and five characters, 100MEDIA.
    let dcf = name.len() == 8 && name.bytes().take(3).all(|b| b.is_ascii_digit());
    !dcf && !OF_A_CARD.contains(&name.as_str())
}

/// A file's last change, cut to microseconds.
///
/// # Errors
/// When the file system keeps no times.
pub fn modified(metadata: &Metadata) -> io::Result<DateTime<Utc>> {
    let at = DateTime::<Utc>::from(metadata.modified()?);
    Ok(chrono::SubsecRound::trunc_subsecs(at, 6))
}

fn skipped(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    name.starts_with(['.', '~', '$']) || matches!(name.as_str(), "system volume information" | "lost+found")
}

/// The media type by the ending; `None` for what is no photo, video or track of one (also `.tmp`, `.part`, `.thm`).
pub fn media_type(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "mp4" => Some("video/mp4"),
        "mov" => Some("video/quicktime"),
        "3gp" => Some("video/3gpp"),
        "jpg" | "jpeg" => Some("image/jpeg"),
        "png" => Some("image/png"),
        "gpx" => Some("application/gpx+xml"),
        "nmea" => Some("text/plain"),
        _ => None,
    }
}

/// The video beside which a track lies: the same name with another ending.
pub fn recording_of(track: &Path) -> Option<PathBuf> {
    let endings = ["mp4", "MP4", "mov", "MOV", "3gp", "3GP"];
    endings.iter().map(|ending| track.with_extension(ending)).find(|path| path != track && path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;

    #[test]
    fn a_file_counts_once_it_stands_still_and_only_media_count() {
        let root = std::env::temp_dir().join(format!("chengguan-scan-{}", Env::system().id()));
        fs::create_dir_all(root.join("DCIM/100")).unwrap();
        fs::create_dir_all(root.join(".Trashes")).unwrap();
        let video = root.join("DCIM/100/A.MP4");
        for (path, bytes) in [
            (video.clone(), &b"one"[..]),
            (root.join("DCIM/100/A.MP4.part"), b"x"),
            (root.join("DCIM/100/.A.mp4"), b"x"),
            (root.join(".Trashes/B.mp4"), b"x"),
            (root.join("note.txt"), b"x"),
            (root.join("empty.jpg"), b""),
        ] {
            fs::write(path, bytes).unwrap();
        }
        let mut scanner = Scanner::new(&root, Duration::from_secs(5));
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        assert_eq!((scanner.look(at(0)).complete.len(), scanner.look(at(4)).growing), (0, 1));
        let done = scanner.look(at(5)).complete;
        assert_eq!((done.len(), &done[0].path, done[0].size, done[0].mime), (1, &video, 3, "video/mp4"));
        fs::write(&video, b"longer").unwrap();
        assert_eq!(scanner.look(at(6)).complete, []);
        assert_eq!(scanner.look(at(11)).complete[0].size, 6);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(scanner.look(at(12)).trouble.len(), 1);
    }

    #[test]
    fn each_folder_is_a_card_but_those_that_stand_on_one() {
        let root = std::env::temp_dir().join(format!("chengguan-cards-{}", Env::system().id()));
        for folder in ["C0012/DCIM", "slot-02", "DCIM/100MEDIA", "101VIDEO", ".Trashes"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in ["C0012/DCIM/A.MP4", "DCIM/100MEDIA/B.MP4", "C.MP4"] {
            fs::write(root.join(file), "x").unwrap();
        }
        assert_eq!(cards(&root).unwrap(), [root.join("C0012"), root.join("slot-02")]);
        let now = Instant::now();
        let found = |mut scanner: Scanner| scanner.look(now).complete.len();
        let still = Duration::ZERO;
        assert_eq!(found(Scanner::beside_cards(&root, still)), 2);
        assert_eq!(found(Scanner::new(&root.join("C0012"), still)), 1);
        fs::remove_dir_all(&root).unwrap();
    }
}
