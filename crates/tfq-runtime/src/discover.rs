//! Where the runtime is.

use crate::process::{on_search_path, output_within, python};
use std::env;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tfq_ir::visible_path;

/// The environment variable that names the runtime.
pub const VARIABLE: &str = "TFQ_RUNTIME";
/// The version of the package whose C API `ffi.rs` declares, without its last part.
const SUPPORTED: &str = "2.3";
const PACKAGE: &str = "ai_edge_litert";
/// How long an interpreter may take to say where the package is.
const LIMIT: Duration = Duration::from_secs(20);
/// Prints the package's folder without importing it.
const WHERE: &str = "import importlib.util as u; s = u.find_spec('ai_edge_litert'); \
                     print(s.submodule_search_locations[0] if s else '')";
const LIBRARY: &str = if cfg!(windows) {
    "libLiteRt.dll"
} else if cfg!(target_os = "macos") {
    "libLiteRt.dylib"
} else {
    "libLiteRt.so"
};

/// A runtime that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// The shared library with the C API.
    pub library: PathBuf,
    /// The version of the Python package that the library is from, if it is from one. A library
    /// without one is tried before it is used.
    pub version: Option<String>,
    /// The Python interpreter that has the package, or may have it.
    pub python: PathBuf,
}

/// Why there is no runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    message: String,
}

impl NotFound {
    /// What the user can do.
    pub fn help(&self) -> &'static str {
        "install it (pip install ai-edge-litert==2.3.0), or name libLiteRt.so or the folder of \
         the package or its virtual environment with --runtime or TFQ_RUNTIME"
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for NotFound {}

impl Runtime {
    /// Looks in `path` if there is one, else in what [`VARIABLE`] names, else for the package
    /// in the Python interpreter on the search path. The first two may be the library, the
    /// package's folder, or a virtual environment.
    pub fn find(path: Option<&Path>) -> Result<Self, NotFound> {
        if let Some(path) = path {
            return Self::named("--runtime", path);
        }
        if let Some(path) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            return Self::named(VARIABLE, Path::new(&path));
        }
        let mut tried = Vec::new();
        for interpreter in ["python3", "python"] {
            let found = on_search_path(interpreter).ok_or_else(|| "is not there".to_owned());
            match found.and_then(|program| Ok((package_of(&program, LIMIT)?, program))) {
                Ok((package, program)) => {
                    return Self::of_library(&package.join(LIBRARY), Some(program));
                }
                Err(reason) => tried.push(format!("{interpreter} {reason}")),
            }
        }
        let tried = tried.join(", ");
        let message =
            format!("no runtime was found: --runtime is not given, {VARIABLE} is not set, {tried}");
        Err(NotFound { message })
    }

    fn named(by: &str, path: &Path) -> Result<Self, NotFound> {
        let shown = visible_path(path);
        let inside = |folder: &Path| Some(folder.join(LIBRARY)).filter(|file| file.is_file());
        let library = if path.is_file() {
            Some(path.to_owned())
        } else if path.is_dir() {
            inside(path)
                .or_else(|| inside(&path.join(PACKAGE)))
                .or_else(|| site_packages(path).iter().find_map(|p| inside(&p.join(PACKAGE))))
        } else {
            let message = format!("no runtime was found: {by} names {shown}, which is not there");
            return Err(NotFound { message });
        };
        let Some(library) = library else {
            let message =
                format!("no runtime was found: {by} names {shown}, which has no {LIBRARY}");
            return Err(NotFound { message });
        };
        // A plain file name would be looked for on the system's search path.
        let library = library.canonicalize().unwrap_or(library);
        Self::of_library(&library, None)
    }

    fn of_library(library: &Path, python: Option<PathBuf>) -> Result<Self, NotFound> {
        let version = version_of(library);
        if let Some(version) = &version
            && !version.strip_prefix(SUPPORTED).is_some_and(|rest| rest.starts_with('.'))
        {
            let shown = visible_path(library);
            let message = format!(
                "{shown} is of LiteRT {version}, whose C API differs from that of {SUPPORTED}"
            );
            return Err(NotFound { message });
        }
        let python = python
            .or_else(|| interpreter_beside(library))
            .or_else(|| on_search_path("python3"))
            .unwrap_or_else(|| PathBuf::from("python3"));
        Ok(Self { library: library.to_owned(), version, python })
    }

    /// For messages: `LiteRT 2.3.0`.
    pub fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("LiteRT {version}"),
            None => format!("LiteRT at {}", visible_path(&self.library)),
        }
    }
}

/// The folder of the package, or why there is none.
fn package_of(interpreter: &Path, limit: Duration) -> Result<PathBuf, String> {
    let text = match output_within(python(interpreter, WHERE), limit) {
        Ok(text) => text.unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            return Err(format!("did not answer within {} s", limit.as_secs_f64()));
        }
        Err(error) => return Err(format!("cannot be started: {error}")),
    };
    let folder = PathBuf::from(text.trim());
    if folder.as_os_str().is_empty() {
        return Err("has no package ai_edge_litert".to_owned());
    }
    // A folder that hangs on the current one is none that an installation has.
    if folder.is_absolute() && folder.join(LIBRARY).is_file() {
        return Ok(folder);
    }
    Err("has a package ai_edge_litert without the library".to_owned())
}

/// The folders of packages in a virtual environment.
fn site_packages(environment: &Path) -> Vec<PathBuf> {
    let mut found = vec![environment.join("Lib").join("site-packages")];
    for entry in fs::read_dir(environment.join("lib")).into_iter().flatten().flatten() {
        found.push(entry.path().join("site-packages"));
    }
    found.sort();
    found
}

/// The version in the name of `ai_edge_litert-2.3.0.dist-info` beside the package, of a library
/// that lies in that.
fn version_of(library: &Path) -> Option<String> {
    let package = library.parent()?;
    let packages =
        package.parent().filter(|_| package.file_name().is_some_and(|n| n == PACKAGE))?;
    let names = fs::read_dir(packages).ok()?.flatten().map(|entry| entry.file_name());
    names.filter_map(|name| version_in(name.to_str()?).map(str::to_owned)).max()
}

fn version_in(name: &str) -> Option<&str> {
    name.strip_prefix(PACKAGE)?.strip_prefix('-')?.strip_suffix(".dist-info")
}

/// The interpreter of the virtual environment that a library lies in:
/// `bin/python` beside `lib/python3.11/site-packages/ai_edge_litert`.
fn interpreter_beside(library: &Path) -> Option<PathBuf> {
    let environment = library.ancestors().nth(5)?;
    let names = ["bin/python", "Scripts/python.exe"];
    names.iter().map(|name| environment.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A virtual environment with a library that is none.
    fn environment(version: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let packages = folder.path().join("lib/python3.11/site-packages");
        fs::create_dir_all(packages.join(PACKAGE)).unwrap();
        fs::create_dir_all(packages.join(format!("{PACKAGE}-{version}.dist-info"))).unwrap();
        fs::create_dir_all(folder.path().join("bin")).unwrap();
        fs::write(packages.join(PACKAGE).join(LIBRARY), "").unwrap();
        fs::write(folder.path().join("bin/python"), "").unwrap();
        folder
    }

    #[test]
    fn a_virtual_environment_a_package_and_a_library_name_the_same() {
        let folder = environment("2.3.0");
        let package = folder.path().join("lib/python3.11/site-packages/ai_edge_litert");
        for path in [folder.path(), &package, &package.join(LIBRARY)] {
            let found = Runtime::find(Some(path)).unwrap();
            assert_eq!(found.version.as_deref(), Some("2.3.0"));
            assert!(found.library.ends_with(Path::new(PACKAGE).join(LIBRARY)));
            assert!(found.python.ends_with("bin/python"));
            assert_eq!(found.label(), "LiteRT 2.3.0");
        }
    }

    #[test]
    fn another_version_is_refused_since_its_functions_differ() {
        for version in ["2.1.0", "2.30.0", "1.0.1"] {
            let folder = environment(version);
            let error = Runtime::find(Some(folder.path())).unwrap_err();
            assert!(error.to_string().contains(version), "{error}");
            assert!(error.help().contains("ai-edge-litert==2.3.0"));
        }
    }

    #[test]
    fn a_library_of_its_own_has_no_version() {
        let folder = environment("2.3.0");
        let packages = folder.path().join("lib/python3.11/site-packages");
        for other in [packages.join("other"), folder.path().to_owned()] {
            fs::create_dir_all(&other).unwrap();
            fs::write(other.join(LIBRARY), "").unwrap();
            let found = Runtime::find(Some(&other.join(LIBRARY))).unwrap();
            assert_eq!(found.version, None, "{}", other.display());
        }
    }

    /// An interpreter that is a script.
    #[cfg(unix)]
    fn interpreter(folder: &Path, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("python3");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    #[cfg(unix)]
    fn an_interpreter_that_hangs_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let found = |script: &str| {
            package_of(&interpreter(folder.path(), script), Duration::from_millis(500))
        };
        let late = Err("did not answer within 0.5 s".to_owned());
        assert_eq!(found("sleep 60"), late);
        let none = Err("has no package ai_edge_litert".to_owned());
        assert_eq!(found("exit 1"), none);
        // Whose pipe is closed in the end.
        assert_eq!(found("exec yes"), none);
        let without = Err("has a package ai_edge_litert without the library".to_owned());
        assert_eq!(found("echo /"), without);
        // Relative to what?
        assert_eq!(found("echo ai_edge_litert"), without);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let error = Runtime::find(Some(Path::new("/nowhere"))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no runtime was found: --runtime names /nowhere, which is not there"
        );
        let folder = tempfile::tempdir().unwrap();
        let error = Runtime::find(Some(folder.path())).unwrap_err();
        assert!(error.to_string().ends_with(&format!("which has no {LIBRARY}")), "{error}");
    }
}
