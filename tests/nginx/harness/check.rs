//! Configurations that `nginx -t` must refuse, or take.

use super::conf::Conf;

/// Where a wrong directive stands in the file.
const HERE: &str = "#here";

/// Sees that the configuration is refused: one `[emerg]`, with all of `texts`, that points to the line marked `#here`.
pub(crate) fn refused(conf: Conf, texts: &[&str]) {
    all_refused([(conf, texts.to_vec())]);
}

/// The same for many; those that are not refused as they should be are shown together.
pub(crate) fn all_refused<T: AsRef<str>>(cases: impl IntoIterator<Item = (Conf, Vec<T>)>) {
    let wrong: Vec<String> = cases.into_iter().filter_map(|(conf, texts)| judge(&conf, &texts).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n----\n"));
}

fn judge<T: AsRef<str>>(conf: &Conf, texts: &[T]) -> Result<(), String> {
    let line = conf.line_of(HERE);
    let (taken, output) = conf.check();
    let shown = conf.shown();
    if taken || output.contains("panicked") || output.contains("[alert]") {
        return Err(format!("nginx takes this:\n{shown}\nand says:\n{output}"));
    }
    let emergencies: Vec<&str> = output.lines().filter(|line| line.contains("[emerg]")).collect();
    let [emergency] = emergencies[..] else { return Err(format!("not one [emerg] for:\n{shown}\nbut:\n{output}")) };
    let missing: Vec<&str> = texts.iter().map(AsRef::as_ref).filter(|text| !emergency.contains(text)).collect();
    if !missing.is_empty() {
        return Err(format!("{missing:?} is missing in:\n{emergency}\nfor:\n{shown}"));
    }
    if line.is_some_and(|line| !emergency.ends_with(&format!("nginx.conf:{line}"))) {
        return Err(format!("the line with {HERE} is meant by:\n{emergency}\nfor:\n{shown}"));
    }
    Ok(())
}

/// Sees that the configuration is taken without a warning.
pub(crate) fn taken(conf: Conf) {
    let (taken, output) = conf.check();
    assert!(taken && !output.contains("[warn]"), "nginx refuses:\n{}\nand says:\n{output}", conf.shown());
}
