//! What the fuzzer found worth keeping for its targets, see `fuzz/README.md`.

#[path = "../../../fuzz/checks/client.rs"]
mod client;
#[path = "../../../fuzz/checks/conversation.rs"]
mod conversation;
#[path = "../../../fuzz/checks/events.rs"]
mod events;
#[path = "../../../fuzz/checks/front.rs"]
mod front;
#[path = "../../../fuzz/checks/fronted.rs"]
mod fronted;
#[path = "../../../fuzz/checks/host.rs"]
mod host;
#[path = "../../../fuzz/checks/kept.rs"]
mod kept;
#[path = "../../../fuzz/checks/message.rs"]
mod message;
#[path = "../../../fuzz/checks/published.rs"]
mod published;
#[path = "../../../fuzz/checks/request.rs"]
mod request;
#[path = "../../../fuzz/checks/servers.rs"]
mod servers;
#[path = "../../../fuzz/checks/wire.rs"]
mod wire;

macro_rules! every_kept_input_is_handled {
    ($($target:ident)*) => {$(
        #[test]
        fn $target() {
            let inputs = kept::inputs(include_bytes!(concat!("../../../fuzz/corpus/", stringify!($target), ".tar")));
            assert!(inputs.len() > 100, "{}", inputs.len());
            inputs.into_iter().for_each($target::check);
        }
    )*};
}

every_kept_input_is_handled!(conversation events fronted message published request);
