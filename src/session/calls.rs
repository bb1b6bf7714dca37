//! Commands that members have asked for and that are not answered yet.

use super::members::MemberId;
use std::collections::HashMap;

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The payload of the camera's answer; empty for a command that cameras do not answer.
    Answer(Vec<u8>),
    /// No answer came in 5 s, as of a camera that does not know the command.
    Silence,
    /// There is no connection, or it broke off before the answer.
    Lost,
}

/// Is called on the session thread, or on the asking one where there is no session any more, and must not block.
pub type Callback = Box<dyn FnOnce(Reply) + Send>;

/// The open calls, by number.
#[derive(Default)]
pub struct Calls {
    last: u64,
    open: HashMap<u64, (MemberId, Callback)>,
}

impl Calls {
    /// Returns the number of a new call.
    pub fn open(&mut self, member: MemberId, callback: Callback) -> u64 {
        self.last += 1;
        self.open.insert(self.last, (member, callback));
        self.last
    }

    pub fn close(&mut self, call: u64, reply: Reply) {
        if let Some((_, callback)) = self.open.remove(&call) {
            callback(reply);
        }
    }

    /// Closes the calls of a member that leaves, and returns their numbers.
    pub fn close_of(&mut self, member: MemberId) -> Vec<u64> {
        let calls: Vec<_> = self.open.iter().filter(|(_, (of, _))| *of == member).map(|(&call, _)| call).collect();
        for &call in &calls {
            self.close(call, Reply::Lost);
        }
        calls
    }

    /// Closes all calls, as the connection is lost.
    pub fn close_all(&mut self) {
        for (_, (_, callback)) in self.open.drain() {
            callback(Reply::Lost);
        }
    }
}
