//! `scan`: which cameras are on the network.

use super::Failure;
use super::list::print_table;
use super::output::{print, tell};
use super::search::{Stranger, search};
use clap::Args;
use gstwyze::account::{Camera, Store};
use gstwyze::device_provider::search::Answer;
use gstwyze::identity;
use gstwyze::session::{Place, search_addresses};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};

/// Tell which cameras are on the network.
///
/// Asks for the stored cameras, each by its UID, and for any camera of the family by an empty UID. No Wyze camera is
/// known to answer the latter, so a camera that is not stored may well be there without being listed. Who answers is
/// believed: anybody on the network can.
#[derive(Args, Debug)]
pub struct ScanArguments {
    /// Ask this IPv4 address for any camera, instead of the whole network. May be given several times
    #[arg(long, value_name = "ADDRESS")]
    host: Vec<Ipv4Addr>,
    /// The UDP port at which any camera is asked for
    #[arg(long, default_value_t = identity::DEFAULT_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Use this network interface only
    #[arg(long)]
    interface: Option<String>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// A line of the table.
struct Row {
    name: String,
    answer: Option<(SocketAddr, &'static str)>,
    uid: Option<String>,
}

pub fn scan(store: &Store, arguments: &ScanArguments) -> Result<(), Failure> {
    let cameras = store.cameras()?;
    let place = Place { host: None, known: None, port: arguments.port, interface: arguments.interface.clone() };
    let targets = match arguments.host.is_empty() {
        true => search_addresses(&place),
        false => arguments.host.iter().map(|ip| SocketAddr::new((*ip).into(), arguments.port)).collect(),
    };
    let found = search(&cameras, Some(&targets), arguments.interface.as_deref())
        .map_err(|e| Failure::Other(format!("the network cannot be searched ({e})")))?;
    let stored = cameras.iter().zip(found.cameras).map(|(camera, answer)| stored_row(camera, answer));
    let strangers = found.strangers.into_iter().map(|(address, stranger)| stranger_row(&cameras, address, stranger));
    let rows: Vec<Row> = stored.chain(strangers).collect();
    if arguments.json {
        return print(format_args!("{:#}", rows.iter().map(row_json).collect::<Value>()));
    }
    let known = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let mut table = vec![["NAME", "ONLINE", "ADDRESS", "ENVELOPE", "UID"].map(str::to_owned)];
    table.extend(rows.into_iter().map(|row| {
        let (address, envelope) = row.answer.unzip();
        [
            row.name,
            if address.is_some() { "yes".into() } else { "no".into() },
            known(address.map(|address| address.to_string())),
            known(envelope.map(str::to_owned)),
            known(row.uid),
        ]
    }));
    print_table(&table)?;
    tell("Cameras that are not stored are asked for by an empty UID, which no Wyze camera is known to answer.");
    Ok(())
}

fn stored_row(camera: &Camera, answer: Option<Answer>) -> Row {
    let answer = answer.map(|answer| (answer.address, answer.envelope));
    Row { name: camera.name.clone(), answer, uid: None }
}

/// Describes a host that answered the empty UID. The UID of a stored camera stays unsaid, as its name says enough.
fn stranger_row(cameras: &[Camera], address: SocketAddr, stranger: Stranger) -> Row {
    let is_it = |camera: &&Camera| stranger.uid.as_deref() == Some(camera.uid.expose()).filter(|uid| !uid.is_empty());
    let name = cameras.iter().find(is_it).map(|camera| camera.name.clone());
    let uid = stranger.uid.filter(|_| name.is_none());
    Row { name: name.unwrap_or_else(|| "-".into()), answer: Some((address, stranger.envelope)), uid }
}

fn row_json(row: &Row) -> Value {
    let (address, envelope) = row.answer.unzip();
    let name = Some(&row.name).filter(|name| *name != "-");
    json!({"name": name, "online": address.is_some(), "address": address, "envelope": envelope, "uid": row.uid})
}
