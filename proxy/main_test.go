package proxy_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Whatever a test does to a proxy, no goroutine of it is left when it is over.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
