//! Calls that are held while a client of 2026-07-28 is asked something.

use mcp::{Delivery, Following, Held, HeldCall, Pending, Publication};

use super::*;

/// What the server of a call has sent by now, of a stream that goes on.
const HEAD: UpstreamResponse<'static> = UpstreamResponse {
    status: 200,
    content_type: Some(b"text/event-stream"),
    content_encoding: None,
    location: None,
    retry_after: None,
    body: b"",
};

/// Bytes of an event.
const LIMIT: usize = 4 << 20;

const ROOTS: &str = r#"{"jsonrpc":"2.0","id":"q","method":"roots/list","params":{"_meta":{"progressToken":1}}}"#;

struct Scene {
    server: Server,
    offering: Arc<Offering>,
}

impl Scene {
    fn new() -> Scene {
        let server = server(vec![upstream("one", &[])]);
        let mut peer = Peer::new(0);
        assert_eq!(look(&server, &mut peer, &legacy).1, Ok(()));
        let offering = offering(&server, &[&peer]);
        Scene { server, offering }
    }

    /// A call under way, and its id at the server.
    fn call(&self) -> (Box<Pending>, Value) {
        let Step::Call { request, mut pending, .. } = self.ask(json!({})) else { panic!("no call") };
        assert!(pending.may_be_held() && pending.begin(&HEAD, LIMIT));
        (pending, message(&request)["id"].clone())
    }

    fn ask(&self, more: Value) -> Step {
        let mut params = json!({"name": "t1", "arguments": {"a": 1}});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask(&self.server, &self.offering, "tools/call", params)
    }

    fn follow(&self, more: Value) -> Box<Following> {
        match self.ask(more) {
            Step::Follow(following) => following,
            step => panic!("{step:?}"),
        }
    }

    /// What the server is told.
    fn told(&self, requests: Vec<UpstreamRequest>) -> Vec<Value> {
        let told = |request: &UpstreamRequest| {
            assert_eq!(header(request, "Mcp-Session-Id"), Some("s-1"));
            message(request)
        };
        requests.iter().map(told).collect()
    }

    fn held(&self, pending: Box<Pending>) -> (Vec<Publication>, Value, HeldCall) {
        let Held { publications, reply, call } = pending.be_held(&self.server).unwrap();
        assert_eq!((reply.status, reply.content_type), (200, Some("application/json")));
        let Body::Bytes(body) = reply.body else { panic!("no body") };
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["result"]["resultType"], "input_required", "{body}");
        (publications, body["result"].clone(), call)
    }

    fn resume(&self, following: Box<Following>) -> Value {
        reply(following.resume(&self.server, &mut evaluate)).1
    }
}

fn events(messages: &[&str]) -> String {
    messages.iter().map(|message| format!("data: {message}\n\n")).collect()
}

fn response(id: &Value, text: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": text}]}}).to_string()
}

fn take(pending: &mut Pending, messages: &[&str]) {
    let mut out = Vec::new();
    pending.take(events(messages).as_bytes(), LIMIT, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "");
}

/// What the call says of it, however it comes.
fn say(call: &mut HeldCall, messages: &[&str], size: usize) -> Vec<Publication> {
    let mut said = Vec::new();
    for part in events(messages).as_bytes().chunks(size) {
        call.take(part, LIMIT, &mut |publication| said.push(publication)).unwrap();
    }
    said
}

fn deliver(following: &mut Following, publications: &[Publication]) -> (bool, String) {
    let (mut is_over, mut out) = (false, Vec::new());
    for publication in publications {
        assert_eq!(&publication.topic, following.topic());
        let delivery = Delivery::parse(&publication.envelope).unwrap();
        assert_eq!((delivery.is_kept(), delivery.is_for_calls()), (publication.keep, false));
        is_over = following.take(&delivery, &mut out);
    }
    (is_over, String::from_utf8(out).unwrap())
}

/// The call hears the answers; gives what its server is told.
fn answer(scene: &Scene, following: &mut Following, call: &mut HeldCall) -> Vec<Value> {
    assert_eq!((following.holder(), following.topic()), (call.topic(), call.followers()));
    for publication in following.begin() {
        assert!(!publication.keep && publication.topic == *call.topic());
        let delivery = Delivery::parse(&publication.envelope).unwrap();
        assert!(delivery.is_for_calls() && !call.is_left_by(&delivery));
        call.hear(&delivery);
    }
    scene.told(call.replies(&scene.server))
}

fn given(result: &Value, answer: &Value) -> Value {
    let keys = result["inputRequests"].as_object().unwrap().keys();
    let responses: serde_json::Map<_, _> = keys.map(|key| (key.clone(), answer.clone())).collect();
    json!({"inputResponses": responses, "requestState": result["requestState"]})
}

#[test]
fn a_question_ends_the_request_and_the_next_one_goes_on_with_the_call() {
    let scene = Scene::new();
    for size in [1, 7, 10_000] {
        let (mut pending, id) = scene.call();
        take(&mut pending, &[ROOTS]);
        assert!(pending.wants_to_be_held());
        let (kept, result, mut call) = scene.held(pending);
        assert_eq!(result["inputRequests"], json!({"1": {"method": "roots/list", "params": {}}}));
        let mut following = scene.follow(given(&result, &json!({"roots": []})));
        assert!(!deliver(&mut following, &kept).0, "it knows that");
        let told = answer(&scene, &mut following, &mut call);
        assert_eq!(told, [json!({"jsonrpc": "2.0", "id": "q", "result": {"roots": []}})]);
        let progress =
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":3}}"#;
        let other = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
        let said = say(&mut call, &[progress, other, "nothing", "{}"], size);
        let heard = r#"data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"mine","progress":3}}"#;
        assert_eq!(deliver(&mut following, &said), (false, format!("{heard}\n\n")));
        let second = ROOTS.replace("\"q\"", "5");
        let said = say(&mut call, &[&second], size);
        assert!(deliver(&mut following, &said).0);
        let result = scene.resume(following)["result"].clone();
        assert_eq!(result["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["2"]);
        let mut following = scene.follow(given(&result, &json!({"roots": [1]})));
        assert!(!deliver(&mut following, &kept).0);
        let told = answer(&scene, &mut following, &mut call);
        assert_eq!((&told[0]["id"], &told[0]["result"], told.len()), (&json!(5), &json!({"roots": [1]}), 1));
        let said = say(&mut call, &[&response(&json!(77), "another's"), &response(&id, "done"), ROOTS], size);
        assert!(call.is_over() && call.replies(&scene.server).is_empty());
        assert!(deliver(&mut following, &said).0);
        let body = scene.resume(following);
        assert_eq!((&body["id"], &body["result"]["content"][0]["text"]), (&json!("a"), &json!("done")));
    }
}

#[test]
fn what_is_missing_is_asked_again_as_long_as_it_is_known() {
    let scene = Scene::new();
    let (mut pending, _) = scene.call();
    take(&mut pending, &[ROOTS, &ROOTS.replace("\"q\"", "\"r\"")]);
    let (kept, result, mut call) = scene.held(pending);
    assert_eq!(result["inputRequests"].as_object().unwrap().len(), 2);
    let partly = json!({"requestState": result["requestState"], "inputResponses": {"2": {"roots": []}, "3": {}}});
    let mut following = scene.follow(partly.clone());
    assert!(deliver(&mut following, &kept).0);
    let told = answer(&scene, &mut following, &mut call);
    assert_eq!((&told[0]["id"], told.len()), (&json!("r"), 1));
    let again = scene.resume(following)["result"].clone();
    assert_eq!(again["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["1"]);
    // An answer counts once.
    let mut following = scene.follow(partly);
    assert_eq!(answer(&scene, &mut following, &mut call), [json!(null); 0]);
    let body = scene.resume(following);
    assert_eq!(body["error"]["code"], -32602);
    assert!(body["error"]["message"].as_str().unwrap().contains("lacks what was asked for"), "{body}");
}

#[test]
fn whoever_cannot_be_asked_is_not() {
    let scene = Scene::new();
    let elicit = r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object","properties":{}}}}"#;
    let large = ROOTS
        .replace("\"progressToken\":1", "")
        .replace("{\"_meta\"", &format!("{{\"x\":\"{}\",\"_meta\"", "x".repeat(1 << 20)));
    for (request, why) in [(elicit, "does not support elicitation.form"), (&large, "bytes at the most")] {
        let (mut pending, _) = scene.call();
        let mut out = Vec::new();
        pending.take(events(&[request]).as_bytes(), LIMIT, &mut out).unwrap();
        assert!(out.is_empty() && !pending.wants_to_be_held());
        let told = scene.told(pending.replies(&scene.server));
        assert_eq!((told.len(), &told[0]["error"]["code"]), (1, &json!(-32601)));
        assert!(told[0]["error"]["message"].as_str().unwrap().contains(why), "{told:?}");
    }
    // One that could, if there were room.
    let (mut pending, id) = scene.call();
    take(&mut pending, &[ROOTS]);
    pending.decline("no room");
    assert!(!pending.wants_to_be_held());
    assert_eq!(scene.told(pending.replies(&scene.server))[0]["error"]["message"], "no room");
    // Whose answer is there is asked nothing.
    take(&mut pending, &[ROOTS, &response(&id, "done")]);
    assert!(pending.is_concluded() && !pending.wants_to_be_held());
    let (_, body) = reply(pending.resume(&scene.server, Ok(HEAD), &mut evaluate));
    assert_eq!(body["result"]["content"][0]["text"], "done");
}

#[test]
fn a_held_call_asks_so_often_and_says_so_much() {
    let scene = Scene::new();
    let (mut pending, id) = scene.call();
    take(&mut pending, &[ROOTS]);
    let (_, _, mut call) = scene.held(pending);
    let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
    let asked = say(&mut call, &[ROOTS; 12], 100);
    assert_eq!(asked.len(), 9);
    assert!(say(&mut call, &[ping], 100).is_empty());
    let told = scene.told(call.replies(&scene.server));
    let refused = told.iter().filter(|told| told["error"]["message"] == "it has asked 10 times already");
    assert_eq!((refused.count(), told.last().unwrap()), (3, &json!({"jsonrpc": "2.0", "id": "p", "result": {}})));
    let said = say(&mut call, &[&response(&id, &"x".repeat(1 << 20))], 1000);
    assert!(call.is_over());
    assert!(String::from_utf8_lossy(&said[0].envelope).contains("1048576 bytes at the most"));
}

#[test]
fn a_call_that_is_over_says_why() {
    let scene = Scene::new();
    type Sink<'s> = &'s mut dyn FnMut(Publication);
    let ended = |act: &dyn Fn(&mut HeldCall, Sink<'_>)| {
        let (mut pending, id) = scene.call();
        take(&mut pending, &[ROOTS]);
        let (kept, result, mut call) = scene.held(pending);
        let cancellation = scene.told(call.cancellation(&scene.server).into_iter().collect());
        assert_eq!(
            (&cancellation[0]["method"], &cancellation[0]["params"]["requestId"]),
            (&json!("notifications/cancelled"), &id)
        );
        let mut said = Vec::new();
        act(&mut call, &mut |publication| said.push(publication));
        // Once.
        call.end(&scene.server, None, &mut |_| panic!("it is over"));
        assert!(call.is_over());
        let mut following = scene.follow(given(&result, &json!({"roots": []})));
        deliver(&mut following, &kept);
        assert!(deliver(&mut following, &said).0);
        scene.resume(following)["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    };
    let timed_out = Some(UpstreamFailure::TimedOut);
    assert_eq!(
        ended(&|call, say| call.end(&scene.server, timed_out, say)),
        "\"one\": its backend did not answer in time"
    );
    assert_eq!(ended(&|call, say| call.end(&scene.server, None, say)), "\"one\": its backend broke off its answer");
    assert_eq!(ended(&|call, say| call.expire(say)), "the client has not answered in time what is needed to go on");
}

#[test]
fn a_call_that_nobody_holds_has_ended() {
    let scene = Scene::new();
    let (mut pending, _) = scene.call();
    take(&mut pending, &[ROOTS]);
    let (kept, result, mut call) = scene.held(pending);
    let mut following = scene.follow(given(&result, &json!({"roots": []})));
    deliver(&mut following, &kept);
    let body = scene.resume(following);
    assert_eq!(body["error"]["code"], -32602);
    assert!(body["error"]["message"].as_str().unwrap().contains("not held here any more"), "{body}");
    // One whose worker dies while somebody waits.
    let mut following = scene.follow(given(&result, &json!({"roots": []})));
    following.begin();
    assert_eq!(scene.resume(following)["result"]["isError"], true);
    // And one whose client leaves.
    let following = scene.follow(given(&result, &json!({"roots": []})));
    let left = Delivery::parse(&following.leave().envelope).unwrap();
    assert!(call.is_left_by(&left) && !call.hear(&left));
}
