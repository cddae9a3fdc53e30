//! What the fuzzer found worth keeping for its target `document`, see `fuzz/README.md`.

#[path = "../../../fuzz/checks/client.rs"]
mod client;
#[path = "../../../fuzz/checks/document.rs"]
mod document;
#[path = "../../../fuzz/checks/kept.rs"]
mod kept;
#[path = "../../../fuzz/checks/wire.rs"]
mod wire;

#[test]
fn every_kept_input_is_handled() {
    let inputs = kept::inputs(include_bytes!("../../../fuzz/corpus/document.tar"));
    assert!(inputs.len() > 100, "{}", inputs.len());
    for input in inputs {
        document::check(input);
    }
}
