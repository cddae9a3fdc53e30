//! The location that Nchan is reached through, below an MCP location.
//!
//! No client's request ever gets there: the module asks them itself, by requests without a client ([`crate::bus`]).

use crate::conf::{Error, LocationConf};
use crate::ngx::{Conf, LocationContext, Place};

/// The location of an MCP location's channel, which every worker hears. It keeps nothing.
#[derive(Clone, Copy)]
pub(crate) struct Channels(LocationContext);

impl Channels {
    pub(crate) fn location(self) -> LocationContext {
        self.0
    }
}

/// What is wrong where Nchan is not there.
pub(crate) const NEEDED: &str = "needs Nchan: add \"load_module modules/ngx_nchan_module.so;\"";

/// Whether Nchan is there.
pub(crate) fn are_available(cf: Conf) -> bool {
    cf.has_directive("nchan_pubsub")
}

/// The location of the channel of the location that is being read, made when it is first asked for.
pub(crate) fn of(cf: Conf, conf: &mut LocationConf) -> Result<Channels, Error> {
    if let Some(channels) = conf.channels {
        return Ok(channels);
    }
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
    let channels = Channels(location);
    conf.channels = Some(channels);
    Ok(channels)
}

/// `mcp_channels { … }`: settings of Nchan for the channel of this location.
pub(crate) fn mcp_channels(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    if !are_available(cf) {
        return Err(Error::new(NEEDED));
    }
    let place: Place = cf.place();
    if conf.channels_block.replace(place).is_some() {
        return Err(Error::new("is duplicate"));
    }
    let channels = of(cf, conf)?;
    cf.block_into(channels.location())
}
