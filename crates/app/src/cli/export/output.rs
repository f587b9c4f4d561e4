//! Where an export goes: standard output, or a file that appears once it is whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process,
};

use anyhow::Context;

/// The bytes that are written at once.
const BUFFER: usize = 64 << 10;

/// An output that is written to. A file that is not finished is removed with this.
pub(super) struct Output {
    out: BufWriter<Box<dyn Write>>,
    file: Option<Part>,
}

/// A file under its temporary name.
struct Part {
    file: File,
    path: PathBuf,
    temporary: PathBuf,
}

impl Output {
    pub(super) fn create(path: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::to(io::stdout(), None));
        };
        if fs::metadata(&path).is_ok_and(|it| !it.is_file()) {
            // A device or a pipe must not be replaced by a file.
            let opened = OpenOptions::new().write(true).open(&path);
            let opened = opened.with_context(|| format!("opening {}", path.display()))?;
            return Ok(Self::to(opened, None));
        }
        // A link stays one.
        let path = fs::canonicalize(&path).unwrap_or(path);
        let (file, temporary) = create_part(&path)?;
        let writing = file.try_clone();
        let part = Part {
            file,
            path,
            temporary,
        };
        Ok(Self::to(writing?, Some(part)))
    }

    fn to(out: impl Write + 'static, file: Option<Part>) -> Self {
        let out: Box<dyn Write> = Box::new(out);
        let out = BufWriter::with_capacity(BUFFER, out);
        Self { out, file }
    }

    /// Writes what is left, and gives a file its name once it is durable.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.out.flush()?;
        let Some(part) = self.file.take() else {
            return Ok(());
        };
        let named = part.name();
        named.with_context(|| format!("writing {}", part.path.display()))
    }
}

impl Part {
    fn name(&self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        sync_folder(&self.path)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Of one that has its name nothing is there.
        let _ = fs::remove_file(&self.temporary);
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Creates a file beside the one that is to be written, so that it can be renamed.
pub(super) fn create_part(path: &Path) -> anyhow::Result<(File, PathBuf)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.{}.part", process::id()));
    let file = File::create(&part);
    let file = file.with_context(|| format!("creating {}", part.display()))?;
    Ok((file, part))
}

/// Makes the names in the folder of a file durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.jsonl");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        let mut output = Output::create(Some(path.clone())).unwrap();
        output.write_all(b"one").unwrap();
        assert!(!path.exists());
        drop(output);
        assert_eq!(names(), 0, "nothing is left of one that is not finished");
        for text in ["two", "three"] {
            let mut output = Output::create(Some(path.clone())).unwrap();
            output.write_all(text.as_bytes()).unwrap();
            output.finish().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names(), 1);
    }

    #[test]
    fn links_and_devices_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut output = Output::create(Some(link.clone())).unwrap();
        output.write_all(b"new").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(link.is_symlink());
        let mut output = Output::create(Some("/dev/null".into())).unwrap();
        output.write_all(b"nothing").unwrap();
        output.finish().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(Output::create(Some(folder.path().to_owned())).is_err());
    }
}
