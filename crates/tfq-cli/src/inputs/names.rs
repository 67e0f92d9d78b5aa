//! Names of tensors as names of files.

/// How many bytes of a tensor's name go into a file's.
const LONGEST_NAME: usize = 200;

/// A tensor's name, as the name of a file.
pub(crate) fn plain(name: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = name.chars().map(keep).collect();
    if name.trim_matches('.').is_empty() { "output".to_owned() } else { shortened(name) }
}

/// A name with room for a number and an ending in the 255 bytes that a file's name may have:
/// converters join the names of all ops that they fuse.
pub(crate) fn shortened(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(LONGEST_NAME));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_names_of_files() {
        assert_eq!(plain("StatefulPartitionedCall:0"), "StatefulPartitionedCall_0");
        assert_eq!(plain("../../etc/x"), ".._.._etc_x");
        assert_eq!(plain(""), "output");
        assert_eq!(plain(".."), "output");
        assert_eq!(plain(&"é".repeat(300)), "é".repeat(100));
        assert_eq!(plain(&format!("x{}", "é".repeat(300))), format!("x{}", "é".repeat(99)));
    }
}
