package proxy

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/sepproxy/sepproxy/policy"
)

// What several attempts said is one reason: what the server itself did comes first, then that it did nothing.
func TestTheReasonOfAFailedDial(t *testing.T) {
	call := func(number syscall.Errno) error {
		return &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", number)}
	}
	for want, failures := range map[policy.Reason][]error{
		failConnectRefused: {call(syscall.ENETUNREACH), call(syscall.ECONNREFUSED), context.DeadlineExceeded},
		failConnectTimeout: {call(syscall.ENETUNREACH), context.DeadlineExceeded},
		failConnect:        {call(syscall.ENETUNREACH), call(syscall.EHOSTUNREACH)},
		failNoSourcePort:   {call(syscall.EADDRNOTAVAIL)},
		failDNS:            {&net.DNSError{IsTimeout: true}},
	} {
		if got := failureOf(errors.Join(failures...), failConnect); got != want {
			t.Errorf("%v: %s, want %s", failures, got, want)
		}
	}
}
