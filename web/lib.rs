//! The web client of `chengguan`, embedded: pages and their hashed scripts and styles.
//!
//! The client is built by `build.rs` (Vite) and lives in the binary, so a server needs no folder
//! beside it and every page comes from the same origin. This crate knows files only. Routing,
//! caching and security headers are the server's; it needs these routes:
//!
//! | URL | file | note |
//! |---|---|---|
//! | `/console/` | `console/index.html` | the page of the Centre; `no-cache` and its `etag` |
//! | `/field/{name}` | `field/{name}` | the handheld's page, service worker and manifest; the same |
//! | `/assets/{name}` | `assets/{name}` | immutable: cache for a year |
//! | none | `print/{name}` | the typeface of printed documents and its licence, for the server's own use |
//!
//! ```
//! let page = chengguan_web::asset("console/index.html").expect("every build has this page");
//! assert_eq!(page.media_type, "text/html; charset=utf-8");
//! assert!(!page.immutable);
//! ```
//!
//! Invariants:
//! - A file under `assets/` has the hash of its content in its name, so it never changes
//!   (`only_hashed_names_are_immutable`).
//! - Pages hold no inline script or style and name no other origin, so that
//!   `Content-Security-Policy: default-src 'self'` can stand (`pages_obey_a_strict_content_policy`).

use std::borrow::Cow;
use std::fmt::Write as _;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "$CHENGGUAN_WEB_EMBED"]
struct Files;

/// One embedded file, with what a server must say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// The content, uncompressed; borrowed from the binary.
    pub bytes: Cow<'static, [u8]>,
    /// The value of `Content-Type`, with its charset where that matters.
    pub media_type: &'static str,
    /// The value of `ETag`, strong, **with its quotes**. Equal content has equal tags in every build.
    pub etag: String,
    /// The name holds a hash of the content: `Cache-Control: public, max-age=31536000, immutable`
    /// is right. Otherwise the name will hold something else after an upgrade: use `no-cache`.
    pub immutable: bool,
}

/// The file at `path`, which is relative and exact: `"console/index.html"`,
/// `"assets/console-7f3ab09c.js"`. A folder, an absolute path or a `..` finds nothing.
#[must_use]
pub fn asset(path: &str) -> Option<Asset> {
    let file = Files::get(path)?;
    Some(Asset {
        media_type: media_type(path),
        etag: etag(&file.metadata.sha256_hash()),
        immutable: is_immutable(path),
        bytes: file.data,
    })
}

/// Every path that [`asset`] answers, in no particular order.
pub fn paths() -> impl Iterator<Item = Cow<'static, str>> {
    Files::iter()
}

/// Whether this build was made with `CHENGGUAN_WEB_SKIP=1` and holds a placeholder for the client.
/// A server should say so at its start.
#[must_use]
pub fn is_placeholder() -> bool {
    env!("CHENGGUAN_WEB_PLACEHOLDER") == "1"
}

/// `vite.config.mjs` puts every hashed name, and nothing else, under `assets/`.
fn is_immutable(path: &str) -> bool {
    path.starts_with("assets/")
}

fn etag(sha256: &[u8; 32]) -> String {
    // 128 bits tell versions apart; the whole hash would only make headers longer.
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in &sha256[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// The kinds Vite writes for us. An unknown kind is sent as bytes, which no browser will run.
fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(path: &str) -> String {
        let found = asset(path).unwrap_or_else(|| panic!("{path} is embedded"));
        String::from_utf8(found.bytes.into_owned()).expect("pages are UTF-8")
    }

    #[test]
    fn the_pages_name_only_files_that_are_embedded() {
        for page in ["console/index.html", "field/index.html", "field/sw.js"] {
            if is_placeholder() && asset(page).is_none() {
                continue;
            }
            let text = text_of(page);
            let named: Vec<&str> = text
                .split(['"', '`'])
                .filter_map(|part| part.strip_prefix('/'))
                .filter(|path| path.starts_with("assets/") || path.starts_with("field/m"))
                .collect();
            for path in &named {
                assert!(asset(path).is_some(), "{page}: {path}");
            }
            assert_eq!(named.is_empty(), is_placeholder(), "{page}");
        }
    }

    #[test]
    fn pages_obey_a_strict_content_policy() {
        for path in paths().filter(|path| path.ends_with(".html")) {
            let page = text_of(&path);
            assert!(!page.contains("<style") && !page.contains(" style="), "{path}");
            assert!(!page.contains("://") && !page.contains("\"//"), "{path} names another origin");
            for script in page.split("<script").skip(1) {
                assert!(script.contains(" src=\"/assets/"), "{path} has an inline script");
            }
        }
    }

    #[test]
    fn only_hashed_names_are_immutable() {
        for path in paths() {
            let found = asset(&path).expect("a listed path is there");
            let stem = path.rsplit_once('.').map_or(&*path, |(stem, _)| stem);
            let hashed = stem.rsplit_once('-').is_some_and(|(_, hash)| {
                hash.len() >= 8 && hash.bytes().all(|digit| digit.is_ascii_digit() || matches!(digit, b'a'..=b'f'))
            });
            assert_eq!(found.immutable, path.starts_with("assets/") && hashed, "{path}");
        }
    }

    #[test]
    fn every_embedded_file_has_a_known_media_type() {
        for path in paths() {
            assert_ne!(media_type(&path), "application/octet-stream", "{path}");
        }
    }

    #[test]
    fn a_path_outside_the_client_is_not_found() {
        for path in ["", "console", "console/", "/console/index.html", "../Cargo.toml", "assets/../console/index.html"]
        {
            assert_eq!(asset(path), None, "{path}");
        }
    }

    #[test]
    fn an_etag_is_quoted_and_follows_the_content() {
        assert_eq!(etag(&[0xab; 32]), format!("\"{}\"", "ab".repeat(16)));
        assert_ne!(etag(&[0; 32]), etag(&[1; 32]));
    }
}
