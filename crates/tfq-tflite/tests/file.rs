//! Files in and out: a model is there whole or not at all.

mod common;

use common::{lifted, model, model_path};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tempfile::TempDir;
use tfq_tflite::{
    Access, Image, LiftOptions, Links, LowerOptions, TemporaryFolder, check_can_write, lift, lower,
    read, read_all, read_copy, remove_temporaries_on_signals, write_atomically, write_together,
};

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
    fn a_link_to_nothing_stays_one_and_what_it_names_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("target", &link).unwrap();
        let image = image();
        write_atomically(&link, &image, |_| ()).unwrap();
        assert!(link.is_symlink());
        assert!(fs::read(folder.path().join("target")).unwrap() == image.to_vec());
        assert_eq!(names(folder.path()), ["link", "target"]);
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

    #[test]
    fn a_link_is_replaced_where_it_is_not_to_be_followed() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), folder_with("target", "mine"));
        let (link, target) = (folder.path().join("link"), elsewhere.path().join("target"));
        symlink(&target, &link).unwrap();
        let image = image();
        write_together(&[(&link, &image)], Links::Replace).unwrap();
        assert!(!link.is_symlink());
        assert!(fs::read(&link).unwrap() == image.to_vec());
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
    }

    #[test]
    fn what_could_not_be_written_is_known_before() {
        let folder = folder_with("file", "old");
        let in_folder = |name: &str| folder.path().join(name);
        check_can_write(&in_folder("file")).unwrap();
        check_can_write(&in_folder("new")).unwrap();
        for name in ["none/new", "file/new", "new/", "", "x".repeat(300).as_str()] {
            let path = if name.is_empty() { name.into() } else { in_folder(name) };
            check_can_write(&path).expect_err(name);
        }
        assert!(check_can_write(folder.path()).is_err());
        assert_eq!(names(folder.path()), ["file"]);
        assert_eq!(fs::read_to_string(in_folder("file")).unwrap(), "old");
    }

    #[cfg(target_os = "linux")]
    /// Runs this test again in a process that writes to the file for ever, and ends that.
    fn ended_by(signal: &str, test: &str) -> TempDir {
        let folder = folder_with("out", "old");
        // Whoever runs the tests may ignore the signal (a job in the background, `nohup`).
        let mut command = std::process::Command::new("env");
        command
            .arg("--default-signal=HUP,INT,QUIT,TERM,XCPU")
            .arg(std::env::current_exe().unwrap());
        command.args(["--exact", test]).env("FILE_TO_WRITE", folder.path().join("out"));
        command.stdout(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        // The writer says that it is half way.
        while !folder.path().join("half").exists() {
            std::thread::sleep(std::time::Duration::from_millis(2));
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        }
        fs::remove_file(folder.path().join("half")).unwrap();
        assert_eq!(names(folder.path()).len(), 3, "there are a temporary file and its guard");
        // While it is being written, it is nobody else's to remove.
        check_can_write(&folder.path().join("other")).unwrap();
        assert_eq!(names(folder.path()).len(), 3);
        let kill = ["-s", signal, &child.id().to_string()];
        assert!(std::process::Command::new("kill").args(kill).status().unwrap().success());
        assert!(!child.wait().unwrap().success());
        assert_eq!(fs::read_to_string(folder.path().join("out")).unwrap(), "old");
        folder
    }

    #[cfg(target_os = "linux")]
    fn write_for_ever_if_told() {
        let Some(path) = std::env::var_os("FILE_TO_WRITE") else { return };
        let path = Path::new(&path);
        remove_temporaries_on_signals().unwrap();
        write_atomically(path, &image(), |_| {
            fs::write(path.with_file_name("half"), "").unwrap();
            std::thread::sleep(std::time::Duration::from_secs(60));
        })
        .unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_signal_leaves_the_old_file_and_nothing_else() {
        write_for_ever_if_told();
        let test = "unix::a_signal_leaves_the_old_file_and_nothing_else";
        for signal in ["HUP", "INT", "QUIT", "TERM", "XCPU"] {
            let folder = ended_by(signal, test);
            assert_eq!(names(folder.path()), ["out"], "{signal}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_killed_process_left_goes_with_the_next_write() {
        write_for_ever_if_told();
        let test = "unix::what_a_killed_process_left_goes_with_the_next_write";
        let folder = ended_by("KILL", test);
        assert_eq!(names(folder.path()).len(), 3, "nobody could clear up");
        // What only looks like it is left alone.
        let others = [".tfq-opt-models.tmp", ".tfq-opt-abc-ef.tmp", "tfq-opt-0123456789abcdef.tmp"];
        for name in others {
            fs::write(folder.path().join(name), "mine").unwrap();
        }
        let (link, kept) = (".tfq-opt-0123456789abcdef.tmp", ".tfq-opt-0123456789folder.tmp");
        symlink("out", folder.path().join(link)).unwrap();
        fs::create_dir(folder.path().join(kept)).unwrap();
        fs::write(folder.path().join(kept).join("file"), "mine").unwrap();
        // A process clears a folder once, and this one was there before.
        let next = folder.path().join("..").join(folder.path().file_name().unwrap());
        write_atomically(&next.join("new"), &image(), |_| ()).unwrap();
        let mut left = [&others[..], &["new", "out", link, kept]].concat();
        left.sort_unstable();
        assert_eq!(names(folder.path()), left);
        assert_eq!(names(&folder.path().join(kept)), ["file"]);
    }

    #[test]
    fn files_that_wait_for_their_names_are_not_open() {
        let test = "unix::files_that_wait_for_their_names_are_not_open";
        let Some(folder) = std::env::var_os("FOLDER_TO_FILL") else {
            let folder = folder_with("99", "old");
            let script = "ulimit -n 40; exec \"$0\" --exact \"$1\"";
            let mut few = std::process::Command::new("sh");
            few.args(["-c", script]).arg(std::env::current_exe().unwrap()).arg(test);
            let output = few.env("FOLDER_TO_FILL", folder.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            assert_eq!(names(folder.path()).len(), 200);
            assert_eq!(fs::read_to_string(folder.path().join("99")).unwrap(), "99");
            return;
        };
        let paths: Vec<_> = (0..200).map(|n| Path::new(&folder).join(n.to_string())).collect();
        let images: Vec<_> = (0..200).map(|n| Image::of_file(n.to_string().into())).collect();
        let files: Vec<_> = paths.iter().map(|path| path.as_path()).zip(&images).collect();
        write_together(&files, Links::Follow).unwrap();
    }

    #[test]
    fn a_temporary_folder_goes_with_what_is_in_it() {
        let folder = TemporaryFolder::new().unwrap();
        let path = folder.path().to_owned();
        assert_eq!(mode(&path), 0o700);
        fs::write(path.join("model.tflite"), "").unwrap();
        drop(folder);
        assert!(!path.exists());
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

/// Ways in which others change a file that is mapped: in its middle, its last byte away, and all
/// of it, which the system then cannot write.
#[test]
fn a_file_that_changes_while_it_is_in_use_is_an_error_and_nothing_is_written() {
    for left in [None, Some(51_000), Some(0)] {
        let folder = tempfile::tempdir().unwrap();
        let [input, output] = ["in.tflite", "out.tflite"].map(|name| folder.path().join(name));
        let bytes = model("digits/digits_cnn.tflite");
        fs::write(&input, &bytes).unwrap();
        let source = read(&input, Access::Whole).unwrap();
        let module = lift(&source, &LiftOptions::default()).unwrap();
        // A small one holds copies of its constants, and says what it was made from.
        let mut image = lower(&module, &LowerOptions::default()).unwrap().made_from(source.clone());
        if left == Some(0) {
            image = Image::of_file(source);
        }
        write_atomically(&output, &image, |_| ()).unwrap();
        let written = fs::read(&output).unwrap();

        let file = fs::File::options().write(true).open(&input).unwrap();
        let time = file.metadata().unwrap().modified().unwrap();
        match left {
            Some(left) => {
                file.set_len(left).unwrap();
                file.set_modified(time).unwrap();
            }
            None => file.set_modified(time + std::time::Duration::from_secs(1)).unwrap(),
        }
        let error = write_atomically(&output, &image, |_| ()).unwrap_err().to_string();
        let told = match left {
            Some(left) => format!(
                "in.tflite became shorter while it was in use: of 52120 bytes {left} are left"
            ),
            None => "in.tflite was changed while it was in use".to_owned(),
        };
        assert!(error.ends_with(&told), "{error}");
        assert!(fs::read(&output).unwrap() == written);
        assert_eq!(names(folder.path()), ["in.tflite", "out.tflite"]);

        // Nobody holds its bytes any more.
        drop((module, image));
        write_atomically(&output, &Image::of_file("new".into()), |_| ()).unwrap();
    }
}

#[test]
fn a_copy_stays_what_it_was() {
    let folder = folder_with("in.tflite", "old");
    let path = folder.path().join("in.tflite");
    let bytes = read_copy(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert_eq!(&bytes[..], b"old");
    write_atomically(&folder.path().join("out"), &Image::of_file(bytes), |_| ()).unwrap();
    assert!(read_copy(folder.path()).is_err());
}

#[test]
fn what_is_no_model_is_mapped_all_the_same() {
    let folder = folder_with("in", "tfg 1 quant");
    let path = folder.path().join("in");
    for access in [Access::Whole, Access::Parts] {
        assert_eq!(&read(&path, access).unwrap()[..], b"tfg 1 quant");
    }
}
