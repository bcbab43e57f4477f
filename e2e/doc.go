// Package e2e answers one question: does the whole do what it says, seen from outside?
//
// It holds tests alone. They build the command once and run it as a process with files of its own,
// play the clients and the vendor's servers around it, and compare what those counted with the
// audit trail, the report, the metrics and the exit codes. Nothing here looks inside the proxy, and
// nothing leaves the loopback interface: every vendor name is mapped in upstream.hosts.
//
// The tests are for Linux, as the server is. A program or a right that a test needs and does not
// find makes it skip with a reason; where the environment variable CI is set, that is a failure.
package e2e
