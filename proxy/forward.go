package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/elazarl/goproxy"
	"go.uber.org/zap"

	"github.com/sepproxy/sepproxy/policy"
)

// serveForward serves a plain request: parse, decide, dial and relay, the last two by goproxy over
// our transport.
func (s *Server) serveForward(w http.ResponseWriter, r *http.Request, c *clientConn) {
	target, err := policy.ParseAbsolute(c.head.target)
	if err == nil && len(target.Path) > maxPath {
		err = fmt.Errorf("the path has more than %d bytes", maxPath)
	}
	if err != nil {
		s.refuseForward(w, c, err)
		return
	}
	t := s.decide(c, target, c.head.method)
	if reason := t.refusal(); reason != "" {
		writeAnswer(w, t, reason, "")
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	f := &forwarding{transaction: t, w: w, control: http.NewResponseController(w)}
	_ = f.control.EnableFullDuplex() // an answer may begin before the request has ended
	t.whenAborted(func() { f.interrupt(cancel) })
	defer t.whenAborted(nil)
	s.forward.ServeHTTP(f, f.outgoing(ctx, r))
	f.finish(r.Context())
}

func (s *Server) refuseForward(w http.ResponseWriter, c *clientConn, why error) {
	t := s.decide(c, policy.Target{}, c.head.method)
	writeAnswer(w, t, t.refusal(), why.Error())
}

// writeAnswer writes an error answer through net/http. The connection is closed after it, so that
// nobody has to read the rest of a request that was refused.
func writeAnswer(w http.ResponseWriter, t *transaction, reason policy.Reason, advice string) {
	a := answerFor(reason)
	header, body := a.write(reason, t.subject(), t.id, advice)
	for name, values := range header {
		w.Header()[name] = values
	}
	w.Header().Set("Connection", "close")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, body) // a client that is gone does not miss it
}

// newForwarder sets goproxy up to do nothing by itself: no proxy from the environment, no header
// of its own removed or rewritten, no dialling, no TLS.
func (s *Server) newForwarder() http.Handler {
	gp := goproxy.NewProxyHttpServer()
	gp.Tr = s.trips
	gp.ConnectDial = nil
	gp.KeepHeader = true
	gp.KeepAcceptEncoding = true
	gp.Logger = goproxyLog{s.cfg.Log.Sugar()}
	gp.OnRequest().DoFunc(func(r *http.Request, ctx *goproxy.ProxyCtx) (*http.Request, *http.Response) {
		ctx.RoundTripper = goproxy.RoundTripperFunc(func(r *http.Request, _ *goproxy.ProxyCtx) (*http.Response, error) {
			return s.roundTrip(r)
		})
		return r, nil
	})
	gp.OnResponse().DoFunc(func(resp *http.Response, ctx *goproxy.ProxyCtx) *http.Response {
		if resp == nil {
			return forwardingOf(ctx.Req.Context()).failedAnswer(ctx.Error)
		}
		return resp
	})
	return gp
}

type goproxyLog struct{ log *zap.SugaredLogger }

func (l goproxyLog) Printf(format string, v ...any) { l.log.Debugf(strings.TrimSpace(format), v...) }

// A forwarding is a plain request on its way. It is also the http.ResponseWriter that goproxy
// writes to, so that what the client gets can be flushed, bounded in time and counted.
type forwarding struct {
	*transaction
	w       http.ResponseWriter
	control *http.ResponseController
	origin  *originConn // that carries it; nil before there is one
	so      result      // far

	sentErr     error // what reading the request's content ended with, io.EOF included
	receivedErr error // what reading the answer's content ended with
	clientErr   error // what writing to the client ended with
}

type forwardingKey struct{}

func forwardingOf(ctx context.Context) *forwarding {
	f, _ := ctx.Value(forwardingKey{}).(*forwarding)
	return f
}

// outgoing makes the request that goes to the server: the target byte for byte (transport.go
// writes it), the end-to-end fields, and Via.
func (f *forwarding) outgoing(ctx context.Context, in *http.Request) *http.Request {
	ctx = context.WithValue(ctx, forwardingKey{}, f)
	out := in.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { f.got(info.Conn) }}))
	out.URL = &url.URL{Scheme: "http", Host: f.subject(), Path: "/"}
	out.Host = strings.TrimSuffix(f.subject(), ":80")
	out.RequestURI = ""
	out.Close = false
	out.Header = in.Header.Clone()
	removeHopByHop(out.Header, out.Header["Connection"])
	addVia(out.Header, in.ProtoMinor)
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // or net/http would add its own
	}
	if in.Body != nil && in.Body != http.NoBody {
		out.Body = &counted{ReadCloser: in.Body, n: &f.so.sent, err: &f.sentErr, before: f.extendRead}
	}
	return out
}

// viaName is the pseudonym in Via (RFC 9110 §7.6.3).
const viaName = "sepproxy"

func addVia(h http.Header, minor int) {
	h.Add("Via", "1."+string(rune('0'+minor))+" "+viaName)
}

// hopByHop are the fields of one connection (RFC 9110 §7.6.1), listed in Connection or not.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Transfer-Encoding", "Upgrade", "Http2-Settings",
}

// removeHopByHop removes the fields that options, the values of Connection, list, and those that
// are known. Content-Length and Host stay, whatever Connection says.
func removeHopByHop(h http.Header, options []string) {
	for _, list := range options {
		for name := range strings.SplitSeq(list, ",") {
			name = textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name))
			if name != "Content-Length" && name != "Host" {
				delete(h, name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// Header is goproxy's.
func (f *forwarding) Header() http.Header { return f.w.Header() }

// WriteHeader is goproxy's.
func (f *forwarding) WriteHeader(status int) {
	f.so.status = status
	f.w.WriteHeader(status)
}

// Write is goproxy's.
func (f *forwarding) Write(p []byte) (int, error) {
	if f.endedEarly() && f.so.failure == "" {
		return 0, context.Cause(f.ctx)
	}
	if idle := f.server.cfg.Timeouts.Idle; idle > 0 {
		_ = f.control.SetWriteDeadline(time.Now().Add(idle))
	}
	n, err := f.w.Write(p)
	if err == nil {
		err = f.control.Flush() // each piece as it comes
	}
	if err != nil {
		f.clientErr = err
	}
	return n, err
}

// ReadFrom is io.Copy's: content passes through a borrowed buffer.
func (f *forwarding) ReadFrom(r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{f}, r, buf[:])
}

// copySize is how much content is passed on at once, in bytes.
const copySize = 32 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// Flush is goproxy's, before it writes trailers.
func (f *forwarding) Flush() { _ = f.control.Flush() }

func (f *forwarding) extendRead() {
	if idle := f.server.cfg.Timeouts.Idle; idle > 0 {
		_ = f.control.SetReadDeadline(time.Now().Add(idle))
	}
}

// endedEarly tells whether the transaction was ended from outside.
func (f *forwarding) endedEarly() bool {
	_, ok := context.Cause(f.ctx).(endReason)
	return ok
}

// interrupt ends what a client is sending and what a server is sending, when the transaction is
// ended from outside. A client that reads can still be told.
func (f *forwarding) interrupt(cancel context.CancelCauseFunc) {
	if f.endedEarly() {
		cancel(context.Cause(f.ctx))
		_ = f.control.SetReadDeadline(time.Unix(1, 0))
		_ = f.control.SetWriteDeadline(time.Now().Add(lingerTime))
	}
}

// failedAnswer is what the client gets when there is no answer to pass on.
func (f *forwarding) failedAnswer(err error) *http.Response {
	f.so.failure = f.failureOf(err)
	a := answerFor(f.so.failure)
	header, body := a.write(f.so.failure, f.subject(), f.id, "")
	return &http.Response{
		StatusCode: a.status, ProtoMajor: 1, ProtoMinor: 1, Header: header,
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}
}

// failureOf tells whose fault an error of the round trip was.
func (f *forwarding) failureOf(err error) policy.Reason {
	if why, ok := context.Cause(f.ctx).(endReason); ok {
		return policy.Reason(why)
	}
	switch {
	case errors.Is(err, context.Canceled), f.sentErr != nil && f.sentErr != io.EOF:
		return failClientReset
	case errors.As(err, new(dialError)):
		return failureOf(err, failConnect)
	case f.origin.wasIdle():
		return failIdle
	}
	return failureOf(err, failUpstreamReset)
}

// finish records the outcome. An answer that ended early must not look complete to the client:
// its connection is torn down.
func (f *forwarding) finish(client context.Context) {
	cut := false
	switch {
	case f.so.failure != "":
	case f.clientErr != nil, client.Err() != nil && f.receivedErr != io.EOF:
		f.so.failure, cut = failClientReset, true
		if isTimeout(f.clientErr) {
			f.so.failure = failIdle
		}
	case f.receivedErr != nil && f.receivedErr != io.EOF:
		f.so.failure, cut = f.failureOf(f.receivedErr), true
	}
	f.end(f.so)
	if cut {
		_ = f.control.Flush() // what did come may still be of use
		panic(http.ErrAbortHandler)
	}
}

// counted counts the content that is read through it, and remembers how reading ended.
type counted struct {
	io.ReadCloser
	n      *int64
	err    *error
	before func()
}

// Read counts.
func (c *counted) Read(p []byte) (int, error) {
	if c.before != nil {
		c.before()
	}
	n, err := c.ReadCloser.Read(p)
	*c.n += int64(n)
	if err != nil {
		*c.err = err
	}
	return n, err
}
