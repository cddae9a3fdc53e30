//! How long documents take, and what they come to: `cargo run --release -p openapi --example load -- FILE…`

use std::time::Instant;

use openapi::{Document, Limits, Rules};

fn main() {
    for file in std::env::args().skip(1) {
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                println!("{file}: {error}");
                continue;
            }
        };
        let start = Instant::now();
        let document = match Document::parse(&text, &Limits::default()) {
            Ok(document) => document,
            Err(error) => {
                println!("{file}: {error} ({:?})", start.elapsed());
                continue;
            }
        };
        let parsed = start.elapsed();
        let rules = Rules { source: Some("https://example.com/".into()), ..Rules::default() };
        let outcome = document.operations(&rules, &mut |name| Err(format!("{name} is not read here")));
        let made = start.elapsed() - parsed;
        drop(document);
        let bytes: usize = outcome.operations.iter().map(|(o, _)| o.input_schema.to_string().len()).sum();
        let (operations, warnings) = (outcome.operations.len(), outcome.warnings.len());
        println!(
            "{file}: {operations} operations, {warnings} warnings, {bytes} bytes of schemas; read {parsed:?}, made {made:?}"
        );
        for warning in outcome.warnings.iter().take(20) {
            println!("    {warning}");
        }
    }
}
