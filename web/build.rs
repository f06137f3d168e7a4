//! Builds the web client with npm and Vite, so that one `cargo run` is all a developer needs.
//!
//! - `CHENGGUAN_WEB_DIST=dir` embeds a prebuilt folder instead (packages, cross builds, no network).
//! - `CHENGGUAN_WEB_SKIP=1` embeds a placeholder page instead (lint jobs, crate docs).
//!
//! Only inputs are watched: watching `node_modules` or an output would rebuild on every run. Both
//! steps carry stamps, so a `touch` does not cost an install or a Vite run. `npm ci` and Vite run
//! under a file lock, because `node_modules` is shared by every profile and target directory.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fmt::Write as _};

/// Everything the client is built from. `build.rs` and `lib.rs` are Cargo's own business.
const INPUTS: [&str; 6] = ["package.json", "package-lock.json", ".npmrc", "tsconfig.json", "vite.config.mjs", "src"];
const LOCK_FILE: &str = ".build.lock";
const INSTALL_STAMP: &str = "node_modules/.chengguan-stamp";
/// Must exist in what we embed, whoever built it.
const ENTRY: &str = "console/index.html";
const WAYS_OUT: &str = "or point CHENGGUAN_WEB_DIST at a prebuilt web client, \
    or set CHENGGUAN_WEB_SKIP=1 for a placeholder page";
const PLACEHOLDER: &str = "<!doctype html>\n<html lang=\"zh-CN\"><meta charset=\"utf-8\"><title>智慧城管</title>\n\
    <h1>智慧城管</h1>\n<p>此程序构建时未包含网页端(CHENGGUAN_WEB_SKIP=1)。接口文档见 <a href=\"/docs/\">/docs/</a>。</p>\n</html>\n";

/// A sentence for the developer; each line becomes one `cargo::error`.
type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            for line in message.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR").ok_or("Cargo set no manifest dir")?);
    let out = PathBuf::from(variable("OUT_DIR").ok_or("Cargo set no OUT_DIR")?);

    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CHENGGUAN_WEB_DIST");
    println!("cargo::rerun-if-env-changed=CHENGGUAN_WEB_SKIP");

    let skip = variable("CHENGGUAN_WEB_SKIP").is_some_and(|value| value != "0");
    let embedded = if skip {
        write_placeholder(&out)?
    } else if let Some(prebuilt) = variable("CHENGGUAN_WEB_DIST") {
        prebuilt_folder(Path::new(&prebuilt))?
    } else {
        for input in INPUTS {
            println!("cargo::rerun-if-changed={input}");
        }
        build_client(&here, &out)?
    };
    println!("cargo::rustc-env=CHENGGUAN_WEB_PLACEHOLDER={}", u8::from(skip));
    println!("cargo::rustc-env=CHENGGUAN_WEB_EMBED={}", embedded.display());
    Ok(())
}

/// An empty variable counts as unset, as CI systems like to pass empty ones.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// In a folder of its own, so that the client built before is still there when it is wanted again.
fn write_placeholder(out: &Path) -> Outcome<PathBuf> {
    let folder = out.join("placeholder");
    let page = folder.join(ENTRY);
    fs::create_dir_all(page.parent().unwrap_or(&folder)).map_err(about(&folder))?;
    fs::write(&page, PLACEHOLDER).map_err(about(&page))?;
    Ok(folder)
}

fn prebuilt_folder(folder: &Path) -> Outcome<PathBuf> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let absolute = folder.canonicalize().map_err(about(folder))?;
    if absolute.join(ENTRY).is_file() {
        return Ok(absolute);
    }
    Err(format!(
        "CHENGGUAN_WEB_DIST={} holds no {ENTRY}: it must be the output folder of `npm run build`.",
        folder.display()
    ))
}

fn build_client(here: &Path, out: &Path) -> Outcome<PathBuf> {
    let node = node_version()?;
    npm_is_there()?;
    let install = fingerprint(here, &INPUTS[..3], &node)?;
    let everything = fingerprint(here, &INPUTS, &node)?;

    let dist = out.join("dist");
    // Beside `dist`, not inside: Vite empties that one.
    let stamp = out.join("dist.stamp");
    if dist.join(ENTRY).is_file() && stamp_says(&stamp, &everything) {
        return Ok(dist);
    }
    remove(&stamp)?;

    let (tree, _lock) = prepare_tree(here, out, &install)?;
    let mut vite = Command::new("node");
    vite.args(["node_modules/vite/bin/vite.js", "build", "--configLoader", "native"])
        .args(["--emptyOutDir", "--logLevel", "warn", "--outDir"])
        .arg(&dist)
        .current_dir(&tree);
    succeed(&mut vite, "The web client does not build (vite build)", "")?;
    fs::write(&stamp, everything).map_err(about(&stamp))?;
    Ok(dist)
}

/// Returns a folder with the sources and their installed packages, and the lock that keeps another
/// Cargo from reinstalling them under us. Normally that is the source folder itself; when it cannot
/// be written (a read-only mount), a copy under `OUT_DIR`, which belongs to this Cargo alone.
fn prepare_tree(here: &Path, out: &Path, install: &str) -> Outcome<(PathBuf, Option<File>)> {
    match File::create(here.join(LOCK_FILE)) {
        Ok(lock) => {
            lock.lock().map_err(about(Path::new(LOCK_FILE)))?;
            // Asked only after the lock is ours: the Cargo before us may just have installed.
            if is_installed(here, install) || can_write(&here.join("node_modules")) {
                install_packages(here, install)?;
                return Ok((here.to_owned(), Some(lock)));
            }
        }
        Err(_) if is_installed(here, install) => return Ok((here.to_owned(), None)),
        Err(_) => {}
    }
    let copy = out.join("tree");
    fs::create_dir_all(&copy).map_err(about(&copy))?;
    for input in INPUTS {
        remove(&copy.join(input))?;
        copy_all(&here.join(input), &copy.join(input))?;
    }
    install_packages(&copy, install)?;
    Ok((copy, None))
}

fn is_installed(tree: &Path, install: &str) -> bool {
    stamp_says(&tree.join(INSTALL_STAMP), install)
}

fn can_write(folder: &Path) -> bool {
    let probe = folder.join(".chengguan-probe");
    fs::create_dir_all(folder).and_then(|()| fs::write(&probe, "")).is_ok() && fs::remove_file(&probe).is_ok()
}

fn install_packages(tree: &Path, install: &str) -> Outcome<()> {
    if is_installed(tree, install) {
        return Ok(());
    }
    let stamp = tree.join(INSTALL_STAMP);
    // First, so that an interrupted install is not taken for a finished one.
    remove(&stamp)?;
    let mut npm = Command::new("npm");
    // Named because NODE_ENV=production or a user's npmrc would leave Vite and its native part out.
    npm.args(["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund"]).current_dir(tree);
    succeed(
        &mut npm,
        "The packages of the web client could not be installed (npm ci)",
        &format!("Without a package registry at hand: run `npm ci` in web/ where there is one, {WAYS_OUT}."),
    )?;
    fs::write(&stamp, install).map_err(about(&stamp))
}

/// The versions Vite 8 runs on: `^20.19.0 || >=22.12.0`.
fn node_version() -> Outcome<String> {
    let Ok(output) = Command::new("node").arg("--version").output() else {
        return Err(format!(
            "Node.js was not found, and the web client is built with it.\n\
             Install Node.js >= 20.19, {WAYS_OUT}."
        ));
    };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Err(format!("`node --version` answered {version:?}, which is no version."));
    };
    if matches!((major, minor), (20, 19..) | (22, 12..) | (23.., _)) {
        return Ok(version);
    }
    Err(format!(
        "Node.js {version} cannot run Vite 8, which builds the web client.\n\
         Install Node.js >= 20.19 (of 22: >= 22.12), {WAYS_OUT}."
    ))
}

fn npm_is_there() -> Outcome<()> {
    match Command::new("npm").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(format!(
            "npm was not found beside Node.js, and the web client is installed with it.\n\
             Install npm, {WAYS_OUT}."
        )),
    }
}

/// Runs a tool and keeps quiet unless it fails: then its last lines are the message.
fn succeed(command: &mut Command, failed: &str, hint: &str) -> Outcome<()> {
    const KEPT_LINES: usize = 25;
    let output = command.output().map_err(|error| format!("{failed}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut message = format!("{failed}, {}:\n", output.status);
    for line in &lines[lines.len().saturating_sub(KEPT_LINES)..] {
        let _ = writeln!(message, "  {line}");
    }
    message.push_str(hint);
    Err(message)
}

/// Of the bytes, not the times: a checkout or a `touch` changes times only.
fn fingerprint(root: &Path, inputs: &[&str], node: &str) -> Outcome<String> {
    let mut hasher = DefaultHasher::new();
    for input in inputs {
        hash_all(&root.join(input), root, &mut hasher)?;
    }
    Ok(format!("{:016x} node {node}", hasher.finish()))
}

fn hash_all(path: &Path, root: &Path, hasher: &mut DefaultHasher) -> Outcome<()> {
    if path.is_dir() {
        for child in children(path)? {
            hash_all(&child, root, hasher)?;
        }
        return Ok(());
    }
    path.strip_prefix(root).unwrap_or(path).hash(hasher);
    fs::read(path).map_err(about(path))?.hash(hasher);
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> Outcome<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).map_err(about(from));
    }
    fs::create_dir_all(to).map_err(about(to))?;
    for child in children(from)? {
        copy_all(&child, &to.join(child.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

/// Sorted, because a folder lists its files in no particular order.
fn children(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let list = || -> io::Result<Vec<PathBuf>> { fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() };
    let mut paths = list().map_err(about(folder))?;
    paths.sort();
    Ok(paths)
}

fn stamp_says(stamp: &Path, expected: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|found| found == expected)
}

fn remove(path: &Path) -> Outcome<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(about(path)(error)),
        _ => Ok(()),
    }
}

fn about(path: &Path) -> impl FnOnce(io::Error) -> String {
    let path = path.display().to_string();
    move |error| format!("{path}: {error}")
}
