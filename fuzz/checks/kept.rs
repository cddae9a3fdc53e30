//! The kept inputs of a target.

/// The files of a tar archive.
pub(crate) fn inputs(archive: &[u8]) -> Vec<&[u8]> {
    const BLOCK: usize = 512;
    let mut inputs = Vec::new();
    let mut rest = archive;
    while let Some((header, after)) = rest.split_at_checked(BLOCK).filter(|(header, _)| header[0] != 0) {
        let size = std::str::from_utf8(&header[124..135]).expect("a number");
        let size = usize::from_str_radix(size, 8).expect("a number");
        inputs.push(&after[..size]);
        rest = &after[size.next_multiple_of(BLOCK)..];
    }
    inputs
}
