//! The RTSP server with its cameras, from start to end.

use super::super::Failure;
use super::access::Access;
use super::factory::CameraFactory;
use super::hub::Hub;
use super::notify::notify;
use super::output::tell;
use super::signals::Signals;
use super::status::Status;
use super::{ServeArguments, announce};
use gst::glib::{self, ControlFlow};
use gst_rtsp_server::prelude::*;
use gst_rtsp_server::{RTSPClient, RTSPContext, RTSPFilterResult, RTSPOnvifServer, RTSPServer};
use std::collections::{BTreeSet, HashMap};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often it is looked whether a session is to be opened or closed, and which clients are gone.
const TICK: Duration = Duration::from_millis(250);

/// Which cameras each client plays, or is about to.
struct Viewers {
    hubs: HashMap<String, Arc<Hub>>,
    /// Slugs.
    of_clients: Mutex<HashMap<RTSPClient, BTreeSet<String>>>,
}

impl Viewers {
    fn new(hubs: &[Arc<Hub>]) -> Self {
        let hubs = hubs.iter().map(|hub| (hub.slug.clone(), hub.clone())).collect();
        Viewers { hubs, of_clients: Mutex::default() }
    }

    /// A client begins or ends to play a camera.
    fn change(&self, client: &RTSPClient, slug: Option<String>, begins: bool) {
        let Some(slug) = slug else { return };
        let mut of_clients = self.lock();
        let slugs = of_clients.entry(client.clone()).or_default();
        match begins {
            true => slugs.insert(slug.clone()),
            false => slugs.remove(&slug),
        };
        self.tell(&of_clients, &slug);
    }

    /// A client is gone.
    fn forget(&self, client: &RTSPClient) {
        let mut of_clients = self.lock();
        for slug in of_clients.remove(client).unwrap_or_default() {
            self.tell(&of_clients, &slug);
        }
    }

    fn tell(&self, of_clients: &HashMap<RTSPClient, BTreeSet<String>>, slug: &str) {
        if let Some(hub) = self.hubs.get(slug) {
            hub.viewers_are(of_clients.values().filter(|slugs| slugs.contains(slug)).count());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RTSPClient, BTreeSet<String>>> {
        self.of_clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn run(arguments: &ServeArguments, hubs: &[Arc<Hub>]) -> Result<(), Failure> {
    let access = Access::new(&arguments.access)?;
    let signals = Signals::keep();
    // It is the one whose clients can talk.
    let server = RTSPOnvifServer::new().upcast::<RTSPServer>();
    server.set_address(&arguments.listen.ip().to_string());
    server.set_service(&arguments.listen.port().to_string());
    server.set_auth(access.auth());
    let mounts = server.mount_points().ok_or_else(|| Failure::Other("the RTSP server has no mount points".into()))?;
    for hub in hubs {
        let factory = CameraFactory::new(hub.clone());
        access.guard(&factory);
        mounts.add_factory(&format!("/{}", hub.slug), factory);
    }
    // A client that waits for its camera keeps no other waiting.
    if let Some(threads) = server.thread_pool() {
        threads.set_max_threads(-1);
    }
    let viewers = Arc::new(Viewers::new(hubs));
    server.connect_client_connected(move |_, client| watch(client, &viewers));
    let source = server.attach(None).map_err(|_| cannot_listen(arguments.listen))?;
    let port = u16::try_from(server.bound_port()).unwrap_or_default();
    let address = SocketAddr::new(arguments.listen.ip(), port);
    if !address.ip().is_loopback() && !access.has_password {
        tell("wyze-cameras: warning: whoever reaches this machine can watch: give --user and a password");
    }
    announce(if access.has_tls { "rtsps" } else { "rtsp" }, address, hubs)?;
    let status = Arc::new(Status::new(address, hubs, arguments.status_file.clone()));
    serve(&server, signals, &status)?;
    source.remove();
    server.client_filter(Some(&mut |_, _| RTSPFilterResult::Remove));
    hubs.iter().for_each(|hub| hub.close());
    status.remove();
    Ok(())
}

/// Runs until a signal ends it.
fn serve(server: &RTSPServer, signals: Signals, status: &Arc<Status>) -> Result<(), Failure> {
    let main_loop = glib::MainLoop::new(None, false);
    let reported = status.clone();
    signals.handle(main_loop.clone(), move || reported.print())?;
    let (pool, status) = (server.session_pool(), status.clone());
    let tick = move || {
        status.hubs.iter().for_each(Hub::check);
        status.write();
        pool.iter().for_each(|pool| {
            pool.cleanup();
        });
        ControlFlow::Continue
    };
    tick();
    let ticks = glib::timeout_add(TICK, tick);
    notify("READY=1");
    main_loop.run();
    notify("STOPPING=1");
    ticks.remove();
    Ok(())
}

/// Follows what a client does.
fn watch(client: &RTSPClient, viewers: &Arc<Viewers>) {
    // A client that is gone without a word ends with its session, a minute later.
    client.set_post_session_timeout(1);
    let told = viewers.clone();
    client.connect_setup_request(move |client, context| told.change(client, slug(context), true));
    let told = viewers.clone();
    client.connect_teardown_request(move |client, context| told.change(client, slug(context), false));
    let told = viewers.clone();
    client.connect_closed(move |client| told.forget(client));
    let told = viewers.clone();
    client.connect_play_request(move |_, context| {
        if let Some(hub) = slug(context).and_then(|slug| told.hubs.get(&slug)) {
            hub.client_plays();
        }
    });
}

/// Returns the first part of the path that a request is about.
fn slug(context: &RTSPContext) -> Option<String> {
    let parts = context.uri()?.decode_path_components();
    parts.into_iter().map(String::from).find(|part| !part.is_empty())
}

/// Returns why nothing can be opened here; gst-rtsp-server does not tell.
fn cannot_listen(address: SocketAddr) -> Failure {
    let why = TcpListener::bind(address).err().map_or_else(|| "it is not known why".to_owned(), |e| e.to_string());
    Failure::Other(format!("cannot listen on {address}: {why}"))
}
