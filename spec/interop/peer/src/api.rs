//! The services that both ends share: names, arguments, answers and error types.

use razor_rpc::client::{endpoint_async, endpoint_client};
use razor_rpc::error::{EncodedErr, RpcErrCodec, RpcError, RpcIntErr};
use razor_rpc_codec::MsgpCodec;
use serde::{Deserialize, Serialize, Serializer, ser::Error};
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;
use std::fmt;

pub type Codec = MsgpCodec;
pub type Errno = nix::errno::Errno;

endpoint_client!(Client);

#[endpoint_async(Client)]
#[async_trait::async_trait]
pub trait CalculatorService {
    async fn inc(&self, arg: i32) -> Result<i32, RpcError<()>>;
    async fn add(&self, arg: (i32, i32)) -> Result<i32, RpcError<()>>;
    /// By zero: the text `divide by zero`.
    async fn div(&self, arg: (i32, i32)) -> Result<i32, RpcError<String>>;
    async fn repeat(&self, arg: (String, u32)) -> Result<String, RpcError<String>>;
    /// Answers its argument after that many milliseconds.
    async fn sleep_ms(&self, arg: u64) -> Result<u64, RpcError<()>>;
    /// Always EIO.
    async fn io_error(&self, arg: ()) -> Result<(), RpcError<Errno>>;
}

/// Each method answers its argument, but for those named `err_`, which fail with it.
#[endpoint_async(Client)]
#[async_trait::async_trait]
pub trait EchoService {
    async fn u8(&self, arg: u8) -> Result<u8, RpcError<()>>;
    async fn u16(&self, arg: u16) -> Result<u16, RpcError<()>>;
    async fn u32(&self, arg: u32) -> Result<u32, RpcError<()>>;
    async fn u64(&self, arg: u64) -> Result<u64, RpcError<()>>;
    async fn i8(&self, arg: i8) -> Result<i8, RpcError<()>>;
    async fn i16(&self, arg: i16) -> Result<i16, RpcError<()>>;
    async fn i32(&self, arg: i32) -> Result<i32, RpcError<()>>;
    async fn i64(&self, arg: i64) -> Result<i64, RpcError<()>>;
    async fn unit(&self, arg: ()) -> Result<(), RpcError<()>>;
    async fn boolean(&self, arg: bool) -> Result<bool, RpcError<()>>;
    async fn f32(&self, arg: f32) -> Result<f32, RpcError<()>>;
    async fn f64(&self, arg: f64) -> Result<f64, RpcError<()>>;
    async fn string(&self, arg: String) -> Result<String, RpcError<()>>;
    async fn bytes(&self, arg: ByteBuf) -> Result<ByteBuf, RpcError<()>>;
    async fn opt(&self, arg: Option<u32>) -> Result<Option<u32>, RpcError<()>>;
    async fn vec(&self, arg: Vec<u32>) -> Result<Vec<u32>, RpcError<()>>;
    async fn map(&self, arg: BTreeMap<String, i64>) -> Result<BTreeMap<String, i64>, RpcError<()>>;
    async fn record(&self, arg: Record) -> Result<Record, RpcError<()>>;
    async fn tuple(&self, arg: (u32, String, bool)) -> Result<(u32, String, bool), RpcError<()>>;
    /// The number 42.
    async fn err_i32(&self, arg: ()) -> Result<(), RpcError<i32>>;
    /// EPERM.
    async fn err_errno(&self, arg: ()) -> Result<(), RpcError<Errno>>;
    async fn err_num(&self, arg: u32) -> Result<(), RpcError<u32>>;
    async fn err_string(&self, arg: String) -> Result<(), RpcError<String>>;
    /// 0: `Other`; any other number: `NotFound` with it.
    async fn err_coded(&self, arg: u64) -> Result<(), RpcError<CodedErr>>;
    async fn err_unit(&self, arg: ()) -> Result<(), RpcError<()>>;
    /// Sends the caller to the address given.
    async fn err_redirect(&self, arg: String) -> Result<(), RpcError<Redirect>>;
    /// An internal error by its code; `rpc_internal_err` when there is no such code.
    async fn err_internal(&self, arg: String) -> Result<(), RpcError<()>>;
    /// An answer that cannot be encoded, so `rpc_encode`.
    async fn err_encode(&self, arg: ()) -> Result<Unencodable, RpcError<()>>;
}

#[endpoint_async(Client)]
#[async_trait::async_trait]
pub trait BenchService {
    async fn unary(&self, arg: BenchReq) -> Result<BenchResp, RpcError<()>>;
}

/// A server among several, of which one may lead.
#[endpoint_async(Client)]
#[async_trait::async_trait]
pub trait ClusterService {
    /// Any server answers.
    async fn ask(&self, arg: u64) -> Result<Asked, RpcError<()>>;
    /// Only the leader answers; another one sends the caller to the leader.
    async fn lead(&self, arg: u64) -> Result<Asked, RpcError<Redirect>>;
    /// Whom to follow from now on: an address, the empty text for a leader that is not known, or none to lead.
    async fn follow(&self, arg: Option<String>) -> Result<(), RpcError<()>>;
    /// Answers once so many `ask` and `lead` calls have come in all, with their number by then.
    async fn taken(&self, arg: u64) -> Result<u64, RpcError<()>>;
    /// From now on `ask` and `lead` are taken and never answered. How many have come before.
    async fn hold(&self, arg: ()) -> Result<u64, RpcError<()>>;
}

/// Who answered, and its argument.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Asked {
    pub server: String,
    pub n: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct BenchReq {
    pub id: u64,
    pub path: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct BenchResp {
    pub ok: bool,
    pub id: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Record {
    pub id: u64,
    pub name: String,
    pub inner: Inner,
    pub note: Option<String>,
    pub shape: Shape,
    pub tags: Vec<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Inner {
    pub label: String,
    pub weight: i64,
}

/// One variant of each kind that serde knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub enum Shape {
    #[default]
    Empty,
    Circle(f64),
    Rect(u32, u32),
    Named {
        title: String,
        sides: u32,
    },
}

#[derive(Debug, Default, Deserialize)]
pub struct Unencodable {}

impl Serialize for Unencodable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("refuses to be encoded"))
    }
}

/// An error that travels encoded by the codec.
#[derive(Debug, Serialize, Deserialize)]
pub enum CodedErr {
    NotFound { id: u64 },
    Other,
}

impl RpcErrCodec for CodedErr {
    fn encode<C: razor_rpc::Codec>(&self, codec: &C) -> EncodedErr {
        codec.encode(self).map_or(EncodedErr::Rpc(RpcIntErr::Encode), EncodedErr::Buf)
    }

    fn decode<C: razor_rpc::Codec>(codec: &C, error: Result<u32, &[u8]>) -> Result<Self, ()> {
        error.err().ok_or(()).and_then(|bytes| codec.decode(bytes))
    }

    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// An error that names the address to call instead, or none for whichever server is next; a failover pool follows it.
/// It travels as a text, `redirect_` and the address.
pub struct Redirect(pub String);

impl RpcErrCodec for Redirect {
    fn encode<C: razor_rpc::Codec>(&self, _: &C) -> EncodedErr {
        EncodedErr::Buf(format!("redirect_{}", self.0).into_bytes())
    }

    fn decode<C: razor_rpc::Codec>(_: &C, error: Result<u32, &[u8]>) -> Result<Self, ()> {
        let text = error.err().and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or(())?;
        text.strip_prefix("redirect_").map(|address| Redirect(address.to_string())).ok_or(())
    }

    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "redirect to {}", self.0)
    }

    fn should_failover(&self) -> Result<Option<&str>, ()> {
        Ok(Some(self.0.as_str()).filter(|address| !address.is_empty()))
    }
}

/// Any user error as it came, for calls whose error type is not known.
pub enum AnyErr {
    Number(u32),
    Bytes(Vec<u8>),
}

impl RpcErrCodec for AnyErr {
    fn encode<C: razor_rpc::Codec>(&self, _: &C) -> EncodedErr {
        match self {
            AnyErr::Number(number) => EncodedErr::Num(*number),
            AnyErr::Bytes(bytes) => EncodedErr::Buf(bytes.clone()),
        }
    }

    fn decode<C: razor_rpc::Codec>(_: &C, error: Result<u32, &[u8]>) -> Result<Self, ()> {
        Ok(error.map_or_else(|bytes| AnyErr::Bytes(bytes.to_vec()), AnyErr::Number))
    }

    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            AnyErr::Number(number) => write!(f, "errno {number}"),
            AnyErr::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => f.write_str(text),
                Err(_) => write!(f, "{}", crate::blob::show(bytes)),
            },
        }
    }
}
