//! `razor-peer server`: the services on one address, the file actions on another.

use crate::Args;
use crate::api::*;
use crate::blob::MAX_LEN;
use crate::cluster::Member;
use crate::fs;
use orb_tokio::TokioRT;
use razor_rpc::error::{RpcError, RpcIntErr};
use razor_rpc::server::task::{APIServerReq, APIServerResp};
use razor_rpc::server::{RpcServer, ServerConfig, ServerDefault, ServiceStatic, service, service_mux_struct};
use razor_rpc_tcp::TcpServer;
use razor_stream::proto::RpcAction;
use razor_stream::server::{RpcSvrReq, dispatch::Dispatch, task::RespNoti};
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

/// Listens, prints `listening ADDR` for each address, and serves until stdin ends or SIGTERM comes. Running calls and
/// open connections then have three seconds.
pub async fn run(args: &Args) -> Result<(), String> {
    let mut config = ServerConfig { server_close_wait: Duration::from_secs(3), ..Default::default() };
    if let Some(seconds) = args.number("idle-timeout")? {
        config.idle_timeout = Duration::from_secs(seconds);
    }
    let mut server = RpcServer::new(ServerDefault::new(config));
    let address = args.word(1).ok_or("server needs an address")?;
    let cluster = Member::new(args.option("name").unwrap_or("peer"), args.option("leader"));
    let services = Spawn(Arc::new(Services { calculator: Calculator, echo: Echo, bench: Bench, cluster }));
    listen(&mut server, address, services).await?;
    if let Some(address) = args.word(2) {
        listen(&mut server, address, fs::dispatch()).await?;
    }
    stop_asked().await?;
    server.close::<TokioRT>().await;
    Ok(())
}

async fn listen(server: &mut RpcServer<ServerDefault>, address: &str, dispatch: impl Dispatch) -> Result<(), String> {
    let bound = server.listen::<TcpServer<TokioRT>, _>(address, dispatch).await;
    println!("listening {}", bound.map_err(|why| format!("cannot listen on {address}: {why}"))?);
    Ok(())
}

async fn stop_asked() -> Result<(), String> {
    let mut term = signal(SignalKind::terminate()).map_err(|why| why.to_string())?;
    let mut rest = Vec::new();
    let mut stdin = tokio::io::stdin();
    tokio::select! {
        _ = term.recv() => Ok(()),
        end = stdin.read_to_end(&mut rest) => end.map(drop).map_err(|why| why.to_string()),
    }
}

/// Runs each call in a task of its own, so that answers come in the order in which they are ready. The crates' own
/// `Inline` dispatch would run them one after the other.
#[derive(Clone)]
struct Spawn(Arc<Services>);

impl Dispatch for Spawn {
    type RespTask = APIServerResp;
    type Codec = Codec;

    async fn dispatch_req<'a>(
        &'a self,
        codec: &Arc<Codec>,
        req: RpcSvrReq<'a>,
        noti: RespNoti<APIServerResp>,
    ) -> Result<(), ()> {
        let RpcAction::Str(action) = req.action else { return Err(()) };
        let (service, method) = action.split_once('.').ok_or(())?;
        let call = APIServerReq {
            seq: req.seq,
            service: service.to_string(),
            method: method.to_string(),
            req: Some(req.msg.to_vec()),
            codec: codec.clone(),
            noti,
        };
        let services = self.0.clone();
        tokio::spawn(async move { services.serve(call).await });
        Ok(())
    }
}

#[service_mux_struct]
struct Services {
    calculator: Calculator,
    echo: Echo,
    bench: Bench,
    cluster: Member,
}

struct Calculator;

#[async_trait::async_trait]
#[service]
impl CalculatorService for Calculator {
    async fn inc(&self, arg: i32) -> Result<i32, RpcError<()>> {
        Ok(arg.wrapping_add(1))
    }

    async fn add(&self, arg: (i32, i32)) -> Result<i32, RpcError<()>> {
        Ok(arg.0.wrapping_add(arg.1))
    }

    async fn div(&self, arg: (i32, i32)) -> Result<i32, RpcError<String>> {
        if arg.1 == 0 { Err("divide by zero".into()) } else { Ok(arg.0.wrapping_div(arg.1)) }
    }

    async fn repeat(&self, arg: (String, u32)) -> Result<String, RpcError<String>> {
        let len = arg.0.len() as u64 * u64::from(arg.1);
        if len > MAX_LEN {
            return Err(RpcError::User(format!("text of {len} bytes is over {MAX_LEN}")));
        }
        Ok(arg.0.repeat(arg.1 as usize))
    }

    async fn sleep_ms(&self, arg: u64) -> Result<u64, RpcError<()>> {
        tokio::time::sleep(Duration::from_millis(arg)).await;
        Ok(arg)
    }

    async fn io_error(&self, _: ()) -> Result<(), RpcError<Errno>> {
        Err(Errno::EIO.into())
    }
}

struct Echo;

#[async_trait::async_trait]
#[service]
impl EchoService for Echo {
    async fn u8(&self, arg: u8) -> Result<u8, RpcError<()>> {
        Ok(arg)
    }

    async fn u16(&self, arg: u16) -> Result<u16, RpcError<()>> {
        Ok(arg)
    }

    async fn u32(&self, arg: u32) -> Result<u32, RpcError<()>> {
        Ok(arg)
    }

    async fn u64(&self, arg: u64) -> Result<u64, RpcError<()>> {
        Ok(arg)
    }

    async fn i8(&self, arg: i8) -> Result<i8, RpcError<()>> {
        Ok(arg)
    }

    async fn i16(&self, arg: i16) -> Result<i16, RpcError<()>> {
        Ok(arg)
    }

    async fn i32(&self, arg: i32) -> Result<i32, RpcError<()>> {
        Ok(arg)
    }

    async fn i64(&self, arg: i64) -> Result<i64, RpcError<()>> {
        Ok(arg)
    }

    async fn unit(&self, _: ()) -> Result<(), RpcError<()>> {
        Ok(())
    }

    async fn boolean(&self, arg: bool) -> Result<bool, RpcError<()>> {
        Ok(arg)
    }

    async fn f32(&self, arg: f32) -> Result<f32, RpcError<()>> {
        Ok(arg)
    }

    async fn f64(&self, arg: f64) -> Result<f64, RpcError<()>> {
        Ok(arg)
    }

    async fn string(&self, arg: String) -> Result<String, RpcError<()>> {
        Ok(arg)
    }

    async fn bytes(&self, arg: ByteBuf) -> Result<ByteBuf, RpcError<()>> {
        Ok(arg)
    }

    async fn opt(&self, arg: Option<u32>) -> Result<Option<u32>, RpcError<()>> {
        Ok(arg)
    }

    async fn vec(&self, arg: Vec<u32>) -> Result<Vec<u32>, RpcError<()>> {
        Ok(arg)
    }

    async fn map(&self, arg: BTreeMap<String, i64>) -> Result<BTreeMap<String, i64>, RpcError<()>> {
        Ok(arg)
    }

    async fn record(&self, arg: Record) -> Result<Record, RpcError<()>> {
        Ok(arg)
    }

    async fn tuple(&self, arg: (u32, String, bool)) -> Result<(u32, String, bool), RpcError<()>> {
        Ok(arg)
    }

    async fn err_i32(&self, _: ()) -> Result<(), RpcError<i32>> {
        Err(42.into())
    }

    async fn err_errno(&self, _: ()) -> Result<(), RpcError<Errno>> {
        Err(Errno::EPERM.into())
    }

    async fn err_num(&self, arg: u32) -> Result<(), RpcError<u32>> {
        Err(arg.into())
    }

    async fn err_string(&self, arg: String) -> Result<(), RpcError<String>> {
        Err(arg.into())
    }

    async fn err_coded(&self, arg: u64) -> Result<(), RpcError<CodedErr>> {
        Err(if arg == 0 { CodedErr::Other } else { CodedErr::NotFound { id: arg } }.into())
    }

    async fn err_unit(&self, _: ()) -> Result<(), RpcError<()>> {
        Err(().into())
    }

    async fn err_redirect(&self, arg: String) -> Result<(), RpcError<Redirect>> {
        Err(Redirect(arg).into())
    }

    async fn err_internal(&self, arg: String) -> Result<(), RpcError<()>> {
        Err(RpcIntErr::from_str(&arg).unwrap_or(RpcIntErr::Internal).into())
    }

    async fn err_encode(&self, _: ()) -> Result<Unencodable, RpcError<()>> {
        Ok(Unencodable {})
    }
}

struct Bench;

#[async_trait::async_trait]
#[service]
impl BenchService for Bench {
    async fn unary(&self, arg: BenchReq) -> Result<BenchResp, RpcError<()>> {
        Ok(BenchResp { ok: true, id: arg.id })
    }
}
