//! Every style, and what keeps its delimiters apart from data.

use serde_json::{Value, json};

use super::encode::Chars;
use super::expansion::{Expansion, Misfit, Text};
use crate::operation::Style;

fn write(expansion: &Expansion, value: &Value) -> Result<String, Misfit> {
    let mut out = String::new();
    expansion.write("color", value, expansion.lead, &mut out)?;
    Ok(out)
}

fn styled(style: Style, explode: bool, chars: Chars, value: &Value) -> Result<String, Misfit> {
    write(&Expansion::of_style(style, explode, chars), value)
}

/// The table of the Parameter Object's styles, and what it leaves to RFC 6570.
#[test]
fn every_style_has_its_form() {
    let (empty, one) = (json!(""), json!("blue"));
    let (list, object) = (json!(["blue", "black", "brown"]), json!({"R": 100, "G": 200, "B": 150}));
    let cases = [
        (Style::Simple, false, ["", "blue", "blue,black,brown", "R,100,G,200,B,150"]),
        (Style::Simple, true, ["", "blue", "blue,black,brown", "R=100,G=200,B=150"]),
        (Style::Label, false, [".", ".blue", ".blue,black,brown", ".R,100,G,200,B,150"]),
        (Style::Label, true, [".", ".blue", ".blue.black.brown", ".R=100.G=200.B=150"]),
        (Style::Matrix, false, [";color", ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"]),
        (Style::Matrix, true, [";color", ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"]),
        (Style::Form, false, ["color=", "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"]),
        (Style::Form, true, ["color=", "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"]),
        (
            Style::SpaceDelimited,
            false,
            ["color=", "color=blue", "color=blue%20black%20brown", "color=R%20100%20G%20200%20B%20150"],
        ),
        (
            Style::PipeDelimited,
            false,
            ["color=", "color=blue", "color=blue%7Cblack%7Cbrown", "color=R%7C100%7CG%7C200%7CB%7C150"],
        ),
        (
            Style::PipeDelimited,
            true,
            ["color=", "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"],
        ),
        (
            Style::TabDelimited,
            false,
            ["color=", "color=blue", "color=blue%09black%09brown", "color=R%09100%09G%09200%09B%09150"],
        ),
        (
            Style::DeepObject,
            true,
            [
                "color=",
                "color=blue",
                "color%5B0%5D=blue&color%5B1%5D=black&color%5B2%5D=brown",
                "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150",
            ],
        ),
        (Style::Cookie, true, ["color=", "color=blue", "color=blue; color=black; color=brown", "R=100; G=200; B=150"]),
    ];
    for (style, explode, expected) in cases {
        let chars = if style == Style::Cookie { Chars::Cookie } else { Chars::Unreserved };
        for (value, expected) in [&empty, &one, &list, &object].into_iter().zip(expected) {
            assert_eq!(styled(style, explode, chars, value).unwrap(), expected, "{style:?} {explode} {value}");
        }
        for nothing in [json!(null), json!([]), json!({}), json!([null]), json!({"a": null})] {
            assert_eq!(styled(style, explode, chars, &nothing).unwrap(), "", "{style:?} {explode} {nothing}");
        }
    }
}

#[test]
fn data_is_never_taken_for_a_delimiter() {
    use Chars::{Header, QueryReserved, SegmentReserved, Unreserved};
    let cases = [
        (Style::Simple, false, Unreserved, json!(["a,b", "c"]), Ok("a%2Cb,c")),
        (Style::Simple, false, SegmentReserved, json!(["a,b", "c;d"]), Ok("a%2Cb,c;d")),
        (Style::Simple, true, Unreserved, json!({"a=b": "c=d,e"}), Ok("a%3Db=c%3Dd%2Ce")),
        (Style::Label, true, Unreserved, json!(["a.b", "c"]), Ok(".a%2Eb.c")),
        (Style::Label, false, Unreserved, json!("a.b"), Ok(".a.b")),
        (Style::Matrix, true, SegmentReserved, json!(["a;b", "c"]), Ok(";color=a%3Bb;color=c")),
        (Style::Form, false, Unreserved, json!(["a,b", "c d"]), Ok("color=a%2Cb,c%20d")),
        (Style::Form, false, QueryReserved, json!(["a,b", "c/d"]), Ok("color=a%2Cb,c/d")),
        (Style::Form, true, QueryReserved, json!("a&b=c#d+e%2Ff"), Ok("color=a%26b=c%23d%2Be%2Ff")),
        (Style::Form, true, QueryReserved, json!({"a=b&c": "d=e"}), Ok("a%3Db%26c=d=e")),
        (Style::PipeDelimited, false, Unreserved, json!(["a|b", "c"]), Ok("color=a%7Cb|c")),
        (Style::SpaceDelimited, false, Unreserved, json!(["a b", "c"]), Err("a space")),
        (Style::SpaceDelimited, false, Unreserved, json!("a b"), Ok("color=a%20b")),
        (Style::SpaceDelimited, true, Unreserved, json!(["a b", "c"]), Ok("color=a%20b&color=c")),
        (Style::TabDelimited, false, Unreserved, json!(["a\tb", "c"]), Err("a tab")),
        (Style::DeepObject, true, Unreserved, json!({"a][b": 1}), Err("bracket")),
        (Style::DeepObject, true, QueryReserved, json!({"a=b%5Bc": "d=%5B"}), Ok("color%5Ba%3Db%255Bc%5D=d=%5B")),
        (
            Style::DeepObject,
            true,
            Unreserved,
            json!({"a": {"b c": [1, {"d": null, "e": "&"}]}}),
            Ok("color%5Ba%5D%5Bb%20c%5D%5B0%5D=1&color%5Ba%5D%5Bb%20c%5D%5B1%5D%5Be%5D=%26"),
        ),
        (Style::Simple, false, Header, json!("a, b"), Ok("a, b")),
        (Style::Simple, false, Header, json!(["a", "b,c"]), Err("\",\"")),
        (Style::Simple, true, Header, json!(["a", "b,c"]), Err("\",\"")),
        (Style::Simple, true, Header, json!({"a": "b=c"}), Ok("a=b=c")),
        (Style::Simple, true, Header, json!({"a=b": "c"}), Err("\"=\"")),
        (Style::Cookie, false, Chars::Cookie, json!(["a", "b"]), Ok("color=a,b")),
        (Style::Cookie, true, Chars::Cookie, json!(["a", "b;c"]), Err("goes into a cookie")),
        (Style::Cookie, true, Chars::Cookie, json!({"a=b": "c"}), Err("\"=\"")),
    ];
    for (style, explode, chars, value, expected) in cases {
        match (styled(style, explode, chars, &value), expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected, "{style:?}"),
            (Err(Misfit(why)), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (result, _) => panic!("{style:?} {value}: {result:?}"),
        }
    }
}

#[test]
fn content_is_one_text() {
    let content = |text| Expansion::of_content(text, true, Chars::Unreserved);
    let value = json!({"a": [1, 2], "b": "x y"});
    let json = "color=%7B%22a%22%3A%5B1%2C2%5D%2C%22b%22%3A%22x%20y%22%7D";
    assert_eq!(write(&content(Text::Json), &value).unwrap(), json);
    assert_eq!(write(&content(Text::Plain), &value).unwrap(), json);
    assert_eq!(write(&content(Text::Form), &value).unwrap(), "color=a%3D1%26a%3D2%26b%3Dx%2By");
    assert_eq!(write(&content(Text::Json), &json!("x")).unwrap(), "color=%22x%22");
    assert_eq!(write(&content(Text::Plain), &json!("x")).unwrap(), "color=x");
}
