//! Files in and out: a model is there whole or not at all.

mod common;

use common::{lifted, model, model_path};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tempfile::TempDir;
use tfq_tflite::{Access, Image, LowerOptions, lower, read, read_all, write_atomically};

fn image() -> Image {
    lower(&lifted(&model("digits/digits_cnn.tflite")), &LowerOptions::default()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn folder_with(name: &str, content: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    folder
}

#[test]
fn a_file_is_written_whole_with_progress_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.tflite");
    let image = image();
    let mut seen = Vec::new();
    write_atomically(&path, &image, |done| seen.push(done)).unwrap();
    assert!(fs::read(&path).unwrap() == image.to_vec());
    assert!(seen.is_sorted());
    assert_eq!(seen.last(), Some(&image.len()));
    assert_eq!(names(folder.path()), ["out.tflite"]);
}

#[test]
fn a_failure_half_way_leaves_the_old_file_and_nothing_else() {
    let folder = folder_with("out.tflite", "old");
    let path = folder.path().join("out.tflite");
    let image = image();
    // The one thing that can fail at will while the file is being written.
    let failed = catch_unwind(AssertUnwindSafe(|| {
        write_atomically(&path, &image, |_| panic!("interrupted")).unwrap();
    }));
    assert!(failed.is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(folder.path()), ["out.tflite"]);
}

#[test]
fn a_folder_in_the_place_of_the_file_is_an_error_that_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.tflite");
    fs::create_dir(&path).unwrap();
    write_atomically(&path, &image(), |_| ()).unwrap_err();
    assert!(path.is_dir());
    assert_eq!(names(folder.path()), ["out.tflite"]);
    assert!(names(&path).is_empty());
    assert!(read(&path, Access::Whole).is_err());
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    write_atomically(&folder.path().join("none/out.tflite"), &image(), |_| ()).unwrap_err();
    assert!(names(folder.path()).is_empty());
    // A file in the place of the folder.
    fs::write(folder.path().join("file"), "").unwrap();
    write_atomically(&folder.path().join("file/out.tflite"), &image(), |_| ()).unwrap_err();
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn a_model_is_written_over_the_file_it_was_read_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.tflite");
    fs::copy(model_path("digits/digits_cnn.tflite"), &path).unwrap();
    let module = lifted(&read(&path, Access::Whole).unwrap());
    let image = lower(&module, &LowerOptions::default()).unwrap();
    write_atomically(&path, &image, |_| ()).unwrap();
    assert!(fs::read(&path).unwrap() == image.to_vec());
    // The constants are still those of the file that has gone.
    assert!(lower(&module, &LowerOptions::default()).unwrap().to_vec() == image.to_vec());
}

#[test]
fn files_are_mapped_and_empty_ones_and_streams_read() {
    let folder = folder_with("empty", "");
    for access in [Access::Whole, Access::Parts] {
        assert_eq!(read(&folder.path().join("empty"), access).unwrap().len(), 0);
        assert_eq!(read(&model_path("odd/identity.tflite"), access).unwrap().len(), 220);
        assert!(read(&folder.path().join("none"), access).is_err());
    }
    assert_eq!(read_all(&b"abc"[..]).unwrap(), "abc");
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_has_the_permissions_of_any_other() {
        let folder = folder_with("plain", "");
        let path = folder.path().join("out.tflite");
        write_atomically(&path, &image(), |_| ()).unwrap();
        // Whatever the umask is, an ordinary file has felt it.
        assert_eq!(mode(&path), mode(&folder.path().join("plain")));
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_permissions() {
        for kept in [0o600, 0o664, 0o755] {
            let folder = folder_with("out.tflite", "old");
            let path = folder.path().join("out.tflite");
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
            write_atomically(&path, &image(), |_| ()).unwrap();
            assert_eq!(mode(&path), kept);
        }
    }

    #[test]
    fn a_link_stays_a_link_and_what_it_names_is_replaced() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), folder_with("target", "old"));
        let (link, target) = (folder.path().join("link"), elsewhere.path().join("target"));
        symlink(&target, &link).unwrap();
        let chain = folder.path().join("chain");
        symlink("link", &chain).unwrap();
        let image = image();
        write_atomically(&chain, &image, |_| ()).unwrap();
        assert!(link.is_symlink() && chain.is_symlink() && !target.is_symlink());
        assert!(fs::read(&target).unwrap() == image.to_vec());
        assert_eq!(names(folder.path()), ["chain", "link"]);
        assert_eq!(names(elsewhere.path()), ["target"]);
    }

    #[test]
    fn a_link_to_nothing_becomes_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("nothing", &link).unwrap();
        write_atomically(&link, &image(), |_| ()).unwrap();
        assert!(!link.is_symlink() && link.is_file());
        assert_eq!(names(folder.path()), ["link"]);
    }

    #[test]
    fn another_name_of_the_old_file_keeps_the_old_content() {
        let folder = folder_with("out.tflite", "old");
        let (path, other) = (folder.path().join("out.tflite"), folder.path().join("other"));
        fs::hard_link(&path, &other).unwrap();
        write_atomically(&path, &image(), |_| ()).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "old");
        assert_ne!(fs::metadata(&path).unwrap().ino(), fs::metadata(&other).unwrap().ino());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn devices_are_written_in_place() {
        write_atomically(Path::new("/dev/null"), &image(), |_| ()).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        // A disk that is full, through a link too.
        assert!(write_atomically(Path::new("/dev/full"), &image(), |_| ()).is_err());
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("/dev/full", &link).unwrap();
        assert!(write_atomically(&link, &image(), |_| ()).is_err());
        assert!(link.is_symlink());
        assert_eq!(names(folder.path()), ["link"]);
    }

    #[test]
    fn a_pipe_is_read_and_written() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if !made.is_ok_and(|status| status.success()) {
            return; // No mkfifo here: nothing to show.
        }
        let image = image();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || read(&pipe, Access::Whole).unwrap()
        });
        write_atomically(&pipe, &image, |_| ()).unwrap();
        assert!(reader.join().unwrap() == image.to_vec());
        assert_eq!(names(folder.path()), ["pipe"]);
    }
}
