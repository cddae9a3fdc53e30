//! `mcp_channels { … }`: the location that Nchan is reached through, below an MCP location ([`crate::link`]).

use crate::conf::{Error, LocationConf};
use crate::ngx::{Conf, LocationContext, Place};

/// The location of an MCP location's channel.
#[derive(Clone, Copy)]
pub(crate) struct Channels(LocationContext);

impl Channels {
    pub(crate) fn location(self) -> LocationContext {
        self.0
    }
}

/// Makes the location of the channel of the location that is being read.
fn make(cf: Conf) -> Result<Channels, Error> {
    // What an operator may say otherwise stands a level further out: some of Nchan's settings are not inherited, so his
    // must be those of the location itself.
    let defaults = cf.hidden_location()?;
    cf.apply_in(defaults, &["nchan_channel_group", "mcp"])?;
    let location = cf.location_below(defaults)?;
    location.own_conf().block = Some("mcp_channels");
    for directive in [
        &["nchan_pubsub", "http", "eventsource"][..],
        &["nchan_channel_id", "$mcp_channel"],
        &["nchan_eventsource_ping_interval", "0"],
        &["nchan_subscriber_timeout", "0"],
        &["nchan_subscriber_first_message", "newest"],
        &["nchan_message_buffer_length", "0"],
        // A message is larger than what was posted, by what goes around it.
        &["client_max_body_size", "0"],
    ] {
        cf.apply_in(location, directive)?;
    }
    Ok(Channels(location))
}

/// `mcp_channels { … }`: settings of Nchan for the channel of this location, which is there for that.
pub(crate) fn mcp_channels(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    if !cf.has_directive("nchan_pubsub") {
        return Err(Error::new("needs Nchan: add \"load_module modules/ngx_nchan_module.so;\""));
    }
    let place: Place = cf.place();
    if conf.channels_block.replace(place).is_some() {
        return Err(Error::new("is duplicate"));
    }
    let channels = make(cf)?;
    conf.channels = Some(channels);
    cf.block_into(channels.location())
}
