//! Several servers for one client: what each of them answers, and a run of calls that counts who did.

use crate::api::*;
use crate::client::Fail;
use crate::route::Route;
use razor_rpc::client::APIFact;
use razor_rpc::error::{RpcErrCodec, RpcError};
use razor_rpc::server::service;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The state of one server.
pub struct Member {
    name: String,
    leader: Mutex<Option<String>>,
    taken: watch::Sender<u64>,
    holding: AtomicBool,
}

impl Member {
    /// A server that follows `leader`, or leads.
    pub fn new(name: &str, leader: Option<&str>) -> Self {
        let leader = Mutex::new(leader.map(str::to_string));
        Member { name: name.to_string(), leader, taken: watch::Sender::new(0), holding: AtomicBool::new(false) }
    }

    async fn take(&self, n: u64) -> Asked {
        self.taken.send_modify(|count| *count += 1);
        if self.holding.load(SeqCst) {
            pending::<()>().await;
        }
        Asked { server: self.name.clone(), n }
    }
}

#[async_trait::async_trait]
#[service]
impl ClusterService for Member {
    async fn ask(&self, arg: u64) -> Result<Asked, RpcError<()>> {
        Ok(self.take(arg).await)
    }

    async fn lead(&self, arg: u64) -> Result<Asked, RpcError<Redirect>> {
        let asked = self.take(arg).await;
        match self.leader.lock().unwrap().clone() {
            Some(leader) => Err(Redirect(leader).into()),
            None => Ok(asked),
        }
    }

    async fn follow(&self, arg: Option<String>) -> Result<(), RpcError<()>> {
        *self.leader.lock().unwrap() = arg;
        Ok(())
    }

    async fn taken(&self, arg: u64) -> Result<u64, RpcError<()>> {
        let mut taken = self.taken.subscribe();
        let count = taken.wait_for(|count| *count >= arg).await.map_err(|_| RpcError::User(()))?;
        Ok(*count)
    }

    async fn hold(&self, _: ()) -> Result<u64, RpcError<()>> {
        self.holding.store(true, SeqCst);
        Ok(*self.taken.borrow())
    }
}

/// What a `run` command asks for.
#[derive(Deserialize)]
pub struct Run {
    method: String,
    calls: u64,
    window: u64,
}

/// How the calls of a run ended: answers by server, errors by text.
#[derive(Default)]
struct Tally {
    servers: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
}

impl Tally {
    fn count<E: RpcErrCodec>(&mut self, n: u64, ended: Result<Asked, RpcError<E>>) {
        let count = match ended {
            Ok(asked) if asked.n == n => self.servers.entry(asked.server).or_default(),
            Ok(asked) => self.errors.entry(format!("the answer of call {}", asked.n)).or_default(),
            Err(error) => self.errors.entry(error.to_string()).or_default(),
        };
        *count += 1;
    }
}

/// Makes `calls` calls of `ask` or `lead`, `window` at a time.
pub async fn run(route: &Route<APIFact<Codec>>, run: Run) -> Result<Value, Fail> {
    let Run { method, calls, window } = run;
    let leads = match method.as_str() {
        "ask" => false,
        "lead" => true,
        other => return Err(format!("a run is of ask or of lead, not of {other}").into()),
    };
    let (next, tally) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Tally::default())));
    let mut callers = JoinSet::new();
    for _ in 0..window {
        let (client, next, tally) = (Client::new(route.clone()), next.clone(), tally.clone());
        callers.spawn(async move {
            loop {
                let n = next.fetch_add(1, SeqCst);
                if n >= calls {
                    return;
                }
                if leads {
                    let ended = client.lead(n).await;
                    tally.lock().unwrap().count(n, ended);
                } else {
                    let ended = client.ask(n).await;
                    tally.lock().unwrap().count(n, ended);
                }
            }
        });
    }
    callers.join_all().await;
    let tally = tally.lock().unwrap();
    Ok(json!({ "servers": tally.servers, "errors": tally.errors }))
}
