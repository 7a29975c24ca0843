//! The stream-level file actions, 1 open, 2 read, 3 write: their messages, the server's side and the client's tasks.
//! The content of the file `inode` is the pattern of that seed, so a read can be checked and a write is checked.

use crate::api::{Codec, Errno};
use crate::blob::{self, MAX_LEN, pattern};
use crate::client::{Fail, show, typed};
use crate::route::Route;
use captains_log::filter::LogFilter;
use crossfire::{MTx, mpsc};
use io_buffer::Buffer;
use razor_stream::client::task::{ClientTaskCommon, client_task, client_task_enum};
use razor_stream::client::{ClientCaller, ClientConfig, ClientFacts};
use razor_stream::error::{RpcError, RpcIntErr};
use razor_stream::server::dispatch::{Dispatch, DispatchClosure};
use razor_stream::server::task::{ServerTaskDone, ServerTaskVariantFull, server_task_enum};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct OpenReq {
    pub path: String,
    pub flags: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ReadReq {
    pub inode: u64,
    pub offset: u64,
    pub len: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct WriteReq {
    pub inode: u64,
    pub offset: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct WriteResp {
    pub ret_size: u64,
}

type Served<Req, Resp> = ServerTaskVariantFull<ServerTask, Req, Resp, Errno>;

#[server_task_enum(req, resp, error = Errno)]
#[derive(Debug)]
pub enum ServerTask {
    #[action(1)]
    Open(Served<OpenReq, ()>),
    #[action(2)]
    Read(Served<ReadReq, ()>),
    #[action(3)]
    Write(Served<WriteReq, WriteResp>),
}

pub fn dispatch() -> impl Dispatch {
    DispatchClosure::<Codec, ServerTask, ServerTask, _, _>::new(|task: ServerTask| async {
        tokio::spawn(async { serve(task) });
        Ok(())
    })
}

fn serve(task: ServerTask) {
    match task {
        ServerTask::Open(task) => {
            let known = !task.req.path.is_empty();
            task.set_result(if known { Ok(()) } else { Err(Errno::ENOENT) });
        }
        ServerTask::Read(mut task) => {
            let ReadReq { inode, offset, len } = task.req;
            if len > MAX_LEN {
                return task.set_result(Err(Errno::EINVAL));
            }
            if len > 0 {
                task.resp_blob = Some(Buffer::from(pattern(inode, offset, len).collect::<Vec<u8>>()));
            }
            task.set_result(Ok(()));
        }
        ServerTask::Write(mut task) => {
            let WriteReq { inode, offset } = task.req;
            let bytes: &[u8] = task.req_blob.as_deref().unwrap_or_default();
            let len = bytes.len() as u64;
            if !pattern(inode, offset, len).eq(bytes.iter().copied()) {
                return task.set_result(Err(Errno::EIO));
            }
            task.resp = Some(WriteResp { ret_size: len });
            task.set_result(Ok(()));
        }
    }
}

#[client_task(1, debug)]
#[derive(Default)]
pub struct Open {
    #[field(common)]
    common: ClientTaskCommon,
    #[field(req)]
    req: OpenReq,
    #[field(resp)]
    resp: Option<()>,
    #[field(res)]
    res: Option<Result<(), RpcError<Errno>>>,
    #[field(noti)]
    noti: Option<MTx<mpsc::List<Task>>>,
}

#[client_task(2, debug)]
#[derive(Default)]
pub struct Read {
    #[field(common)]
    common: ClientTaskCommon,
    #[field(req)]
    req: ReadReq,
    #[field(resp)]
    resp: Option<()>,
    #[field(resp_blob)]
    resp_blob: Option<Vec<u8>>,
    #[field(res)]
    res: Option<Result<(), RpcError<Errno>>>,
    #[field(noti)]
    noti: Option<MTx<mpsc::List<Task>>>,
}

#[client_task(3, debug)]
#[derive(Default)]
pub struct Write {
    #[field(common)]
    common: ClientTaskCommon,
    #[field(req)]
    req: WriteReq,
    #[field(req_blob)]
    req_blob: Vec<u8>,
    #[field(resp)]
    resp: Option<WriteResp>,
    #[field(res)]
    res: Option<Result<(), RpcError<Errno>>>,
    #[field(noti)]
    noti: Option<MTx<mpsc::List<Task>>>,
}

#[client_task_enum(error = Errno)]
#[derive(Debug)]
pub enum Task {
    Open(Open),
    Read(Read),
    Write(Write),
}

/// The client's settings for file actions: as `APIFact`, but with a client_id that is not 0.
pub struct Facts {
    pub config: ClientConfig,
    pub logger: Arc<LogFilter>,
}

impl ClientFacts for Facts {
    type Codec = Codec;
    type Task = Task;

    fn get_config(&self) -> &ClientConfig {
        &self.config
    }

    fn new_logger(&self) -> Arc<LogFilter> {
        self.logger.clone()
    }

    fn get_client_id(&self) -> u64 {
        0x0102_0304_0506_0708
    }
}

/// Runs the file action of a command (`open`, `read`, `write`; its fields beside it) and shows its answer.
pub async fn call(route: &Route<Facts>, action: &str, mut args: Value) -> Result<Value, Fail> {
    let blob = args.as_object_mut().and_then(|fields| fields.remove("blob"));
    let (tx, rx) = mpsc::unbounded_async();
    let noti = Some(tx);
    let task = match action {
        "open" => Task::Open(Open { req: typed(args)?, noti, ..Default::default() }),
        "read" => Task::Read(Read { req: typed(args)?, noti, ..Default::default() }),
        "write" => {
            let req_blob = blob.map_or(Ok(Vec::new()), blob::parse)?;
            Task::Write(Write { req: typed(args)?, req_blob, noti, ..Default::default() })
        }
        _ => return Err(format!("no file action {action}").into()),
    };
    route.send_req(task).await;
    let task = rx.recv().await.map_err(|_| RpcError::<Errno>::Rpc(RpcIntErr::Internal))?;
    match task {
        Task::Open(Open { res, resp, .. }) => res.transpose()?.map(|()| show(resp)),
        Task::Read(Read { res, resp_blob, .. }) => {
            res.transpose()?.map(|()| blob::show(&resp_blob.unwrap_or_default()))
        }
        Task::Write(Write { res, resp, .. }) => res.transpose()?.map(|()| show(resp)),
    }
    .ok_or_else(|| "a task without a result".to_string().into())
}
