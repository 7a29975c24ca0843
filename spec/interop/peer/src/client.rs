//! `razor-peer client`: a command per line on stdin, an answer per line on stdout, each command in a task of its own.

use crate::api::*;
use crate::route::Route;
use crate::{Args, blob, cluster, fs};
use captains_log::filter::LogFilter;
use razor_rpc::client::{APIClientCaller, APIFact, ClientConfig, ConnPool};
use razor_rpc::error::{RpcErrCodec, RpcError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Why a command has no answer: the server's user error, an error of the crates, or a command that makes no sense.
pub enum Fail {
    User(String),
    Rpc(String),
    Command(String),
}

impl<E: RpcErrCodec> From<RpcError<E>> for Fail {
    fn from(error: RpcError<E>) -> Self {
        match &error {
            RpcError::User(_) => Fail::User(error.to_string()),
            RpcError::Rpc(_) => Fail::Rpc(error.to_string()),
        }
    }
}

impl From<String> for Fail {
    fn from(why: String) -> Self {
        Fail::Command(why)
    }
}

type Api = APIFact<Codec>;

struct Peer {
    config: ClientConfig,
    address: String,
    fs_address: String,
    stream: bool,
    client: Client<Route<Api>>,
    route: Route<Api>,
    fs: OnceCell<Route<fs::Facts>>,
}

/// How long running commands may go on after the end of stdin.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Prints `{"ready":true}`, then answers commands until stdin ends and the last of them is answered.
pub async fn run(args: &Args) -> Result<(), String> {
    let peer = Arc::new(Peer::new(args).await?);
    println!("{}", json!({ "ready": true }));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut running = JoinSet::new();
    while let Some(line) = lines.next_line().await.map_err(|why| why.to_string())? {
        let peer = peer.clone();
        running.spawn(async move { println!("{}", peer.answer(&line).await) });
        while running.try_join_next().is_some() {}
    }
    timeout(LAST_ANSWERS, running.join_all()).await.map(drop).map_err(|_| "some commands were still running".into())
}

impl Peer {
    async fn new(args: &Args) -> Result<Self, String> {
        let mut config = ClientConfig::default();
        config.task_timeout = args.number("task-timeout")?.unwrap_or(config.task_timeout);
        config.thresholds = args.number("thresholds")?.unwrap_or(config.thresholds);
        let addresses = args.word(1).ok_or("client needs an address")?;
        let address = addresses.split(',').next().unwrap_or_default().to_string();
        let fs_address = args.word(2).unwrap_or(&address).to_string();
        let stream = args.option("stream").is_some();
        let facts = Api::new(config.clone());
        let route = match args.option("failover") {
            None if stream => Route::stream(facts, &address).await.map_err(|why| format!("{address}: {why}"))?,
            None => Route::Pool(facts.new_conn_pool(None, &address)),
            Some(how @ ("any" | "leader")) => {
                let addresses = addresses.split(',').map(str::to_string).collect();
                Route::Failover(facts.new_failover(None, addresses, how == "any", 3))
            }
            Some(how) => return Err(format!("--failover {how} is neither any nor leader")),
        };
        let client = Client::new(route.clone());
        Ok(Peer { config, address, fs_address, stream, client, route, fs: OnceCell::new() })
    }

    async fn answer(&self, line: &str) -> Value {
        let mut command: Value = match serde_json::from_str(line) {
            Ok(command) => command,
            Err(why) => return json!({ "id": null, "err": { "kind": "command", "text": why.to_string() } }),
        };
        let id = command["id"].take();
        let (kind, text) = match self.perform(command).await {
            Ok(ok) => return json!({ "id": id, "ok": ok }),
            Err(Fail::User(text)) => ("user", text),
            Err(Fail::Rpc(text)) => ("rpc", text),
            Err(Fail::Command(text)) => ("command", text),
        };
        json!({ "id": id, "err": { "kind": kind, "text": text } })
    }

    async fn perform(&self, mut command: Value) -> Result<Value, Fail> {
        let args = command["args"].take();
        if let Some(name) = command["call"].as_str() {
            self.call(name, args).await
        } else if let Some(action) = command["raw"].as_str() {
            // Actions are 'static in the crates; a spec makes few of them.
            let action: &'static str = action.to_string().leak();
            let answer: Result<Value, RpcError<AnyErr>> = self.route.call(action, &args).await;
            Ok(show(answer?))
        } else if let Some(action) = command["fs"].as_str() {
            fs::call(self.fs().await?, action, command.clone()).await
        } else if command["ping"] == true {
            self.route.ping().await?;
            Ok("sent".into())
        } else if let Some(flood) = command.get("flood") {
            self.flood(typed(flood["calls"].clone())?, typed(flood["window"].clone())?).await
        } else if let Some(run) = command.get("run") {
            cluster::run(&self.route, typed(run.clone())?).await
        } else {
            Err(format!("no command in {command}").into())
        }
    }

    async fn call(&self, name: &str, args: Value) -> Result<Value, Fail> {
        let client = &self.client;
        macro_rules! call {
            ($($service:ident { $($method:ident $(: $parse:expr, $show:expr)?;)* })*) => {
                match name {
                    $($(concat!(stringify!($service), ".", stringify!($method)) => {
                        let (parse, show) = call!(@ $($parse, $show)?);
                        Ok(show($service::$method(client, parse(args)?).await?))
                    })*)*
                    _ => Err(format!("no method {name}").into()),
                }
            };
            (@) => { (typed, show) };
            (@ $parse:expr, $show:expr) => { ($parse, $show) };
        }
        call! {
            CalculatorService { inc; add; div; repeat; sleep_ms; io_error; }
            EchoService {
                u8; u16; u32; u64; i8; i16; i32; i64; unit; boolean; string; opt; vec; map; record; tuple;
                f32: float, |number: f32| Value::from(number.to_string());
                f64: float, |number: f64| Value::from(number.to_string());
                bytes: |args| blob::parse(args).map(ByteBuf::from), |bytes: ByteBuf| blob::show(&bytes);
                err_i32; err_errno; err_num; err_string; err_coded; err_unit; err_redirect; err_internal; err_encode;
            }
            BenchService { unary; }
            ClusterService { ask; lead; follow; taken; hold; }
        }
    }

    async fn fs(&self) -> Result<&Route<fs::Facts>, Fail> {
        let connect = async || {
            let facts = Arc::new(fs::Facts { config: self.config.clone(), logger: Arc::new(LogFilter::new()) });
            if self.stream {
                return Route::stream(facts, &self.fs_address).await.map_err(|why| Fail::Rpc(why.to_string()));
            }
            Ok(Route::Pool(ConnPool::new(facts, None, &self.fs_address, 0)))
        };
        self.fs.get_or_try_init(connect).await
    }

    /// `calls` additions over one connection of their own, `window` at a time: how many came back right, and when all
    /// were back.
    async fn flood(&self, calls: i32, window: usize) -> Result<Value, Fail> {
        let facts = Api::new(ClientConfig { thresholds: window, ..self.config.clone() });
        let route = Route::stream(facts, &self.address).await.map_err(|why| Fail::Rpc(why.to_string()))?;
        let start = Instant::now();
        let mut callers = JoinSet::new();
        for first in 0..window as i32 {
            let client = Client::new(route.clone());
            callers.spawn(async move {
                let mut right = 0;
                for number in (first..calls).step_by(window) {
                    right += u64::from(client.add((number, 1)).await.is_ok_and(|sum| sum == number + 1));
                }
                right
            });
        }
        let right: u64 = callers.join_all().await.iter().sum();
        Ok(json!({ "right": right.to_string(), "ms": start.elapsed().as_millis().to_string() }))
    }
}

/// An argument. A spec may write any integer as a string, so as not to lose digits of it.
pub fn typed<T: DeserializeOwned>(args: Value) -> Result<T, String> {
    fn numbers(value: Value) -> Value {
        match value {
            Value::String(text) => match (text.parse::<u64>(), text.parse::<i64>()) {
                (Ok(number), _) => number.into(),
                (_, Ok(number)) => number.into(),
                _ => Value::String(text),
            },
            Value::Array(items) => items.into_iter().map(numbers).collect(),
            Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, numbers(value))).collect(),
            other => other,
        }
    }
    serde_json::from_value(args.clone())
        .or_else(|why| serde_json::from_value(numbers(args)).map_err(|_| format!("args: {why}")))
}

/// A float: a number, or a string as Rust reads it (`NaN`, `inf`, `-0`, `1e300`).
fn float<T: DeserializeOwned + std::str::FromStr>(args: Value) -> Result<T, String> {
    match args.as_str() {
        Some(text) => text.parse().map_err(|_| format!("{text} is not a float")),
        None => typed(args),
    }
}

/// An answer as JSON, with each number as a string of all its digits.
pub fn show<T: Serialize>(answer: T) -> Value {
    fn strings(value: Value) -> Value {
        match value {
            Value::Number(number) => number.to_string().into(),
            Value::Array(items) => items.into_iter().map(strings).collect(),
            Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, strings(value))).collect(),
            other => other,
        }
    }
    serde_json::to_value(answer).map_or_else(|why| json!({ "unshowable": why.to_string() }), strings)
}
