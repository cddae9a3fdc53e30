//! What the fuzzer found worth keeping for its target `request`, see `fuzz/README.md`.

#[path = "../../../fuzz/checks/kept.rs"]
mod kept;
#[path = "../../../fuzz/checks/request.rs"]
mod request;

#[test]
fn every_kept_input_is_handled() {
    let inputs = kept::inputs(include_bytes!("../../../fuzz/corpus/request.tar"));
    assert!(inputs.len() > 100, "{}", inputs.len());
    for input in inputs {
        request::check(input);
    }
}
