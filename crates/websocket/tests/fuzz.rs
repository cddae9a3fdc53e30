//! What the fuzzer found worth keeping for its target `frames`, see `fuzz/README.md`.

#[path = "../../../fuzz/checks/frames.rs"]
mod frames;
#[path = "../../../fuzz/checks/kept.rs"]
mod kept;

#[test]
fn every_kept_input_is_handled() {
    let inputs = kept::inputs(include_bytes!("../../../fuzz/corpus/frames.tar"));
    assert!(inputs.len() > 30, "{}", inputs.len());
    inputs.into_iter().for_each(frames::check);
}
