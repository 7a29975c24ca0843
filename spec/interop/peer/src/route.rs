//! The three ways in which the crates' client reaches a server: one plain stream, a pool, a failover pool.

use orb_tokio::TokioRT;
use razor_rpc::client::task::APIClientReq;
use razor_rpc::client::{APIClientCaller, ClientCaller, ConnPool, FailoverPool};
use razor_rpc::error::{RpcErrCodec, RpcError, RpcIntErr};
use razor_rpc_tcp::TcpClient;
use razor_stream::client::{ClientFacts, stream::ClientStream};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

pub type Tcp = TcpClient<TokioRT>;

pub enum Route<F: ClientFacts> {
    Stream(mpsc::Sender<Order<F::Task>>),
    Pool(ConnPool<F, Tcp>),
    Failover(FailoverPool<F, Tcp>),
}

impl<F: ClientFacts> Clone for Route<F> {
    fn clone(&self) -> Self {
        match self {
            Route::Stream(orders) => Route::Stream(orders.clone()),
            Route::Pool(pool) => Route::Pool(pool.clone()),
            Route::Failover(pool) => Route::Failover(pool.clone()),
        }
    }
}

/// What the owner of a plain stream can be asked for.
pub enum Order<T> {
    Send(T),
    Ping(oneshot::Sender<Result<(), RpcIntErr>>),
}

impl<F: ClientFacts> Route<F> {
    /// Connects one stream. It never reconnects: once it broke, each call ends with `rpc_io_err`.
    pub async fn stream(facts: Arc<F>, address: &str) -> Result<Self, RpcIntErr> {
        let stream = ClientStream::<F, Tcp>::connect(facts, None, address, address, None).await?;
        let (tx, rx) = mpsc::channel(128);
        tokio::spawn(own(stream, rx));
        Ok(Route::Stream(tx))
    }

    /// Sends a ping. That it was sent is all one can know: the crates show no pong to their user, and a pool pings by
    /// itself.
    pub async fn ping(&self) -> Result<(), String> {
        let Route::Stream(orders) = self else { return Err("only a client with --stream can ping".into()) };
        let (tx, rx) = oneshot::channel();
        orders.send(Order::Ping(tx)).await.map_err(|_| "the stream is gone")?;
        rx.await.map_err(|why| why.to_string())?.map_err(|why| why.to_string())
    }
}

/// Feeds a stream as the worker of the crates' pool does: writes what waits, then flushes.
async fn own<F: ClientFacts>(mut stream: ClientStream<F, Tcp>, mut orders: mpsc::Receiver<Order<F::Task>>) {
    while let Some(first) = orders.recv().await {
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                // A task that cannot be sent is settled by the stream.
                Order::Send(task) => drop(stream.send_task(task, false).await),
                Order::Ping(done) => drop(done.send(stream.ping().await)),
            }
            next = orders.try_recv().ok();
        }
        // Fails only after the stream has failed its tasks.
        drop(stream.flush_req().await);
    }
}

impl<F: ClientFacts> ClientCaller for Route<F> {
    type Facts = F;

    async fn send_req(&self, task: F::Task) {
        match self {
            Route::Stream(orders) => drop(orders.send(Order::Send(task)).await),
            Route::Pool(pool) => ClientCaller::send_req(pool, task).await,
            Route::Failover(pool) => pool.send_req(task).await,
        }
    }
}

impl<F: ClientFacts<Task = APIClientReq>> APIClientCaller for Route<F> {
    async fn call<Req, Resp, E>(&self, action: &'static str, req: &Req) -> Result<Resp, RpcError<E>>
    where
        Req: Serialize + Debug + Send + Sync,
        Resp: for<'a> Deserialize<'a> + Send + Debug + 'static + Default,
        E: RpcErrCodec,
    {
        match self {
            Route::Pool(pool) => pool.call(action, req).await,
            Route::Failover(pool) => pool.call(action, req).await,
            Route::Stream(_) => {
                let codec = self.get_codec();
                let (tx, rx) = crossfire::oneshot::oneshot();
                let mut task = APIClientReq::new(&codec, action, req);
                task.set_noti(tx);
                self.send_req(task).await;
                match rx.recv_async().await {
                    Ok(mut task) => task.process_res(&codec),
                    Err(_) => Err(RpcIntErr::Internal.into()),
                }
            }
        }
    }
}
