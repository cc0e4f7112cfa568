package runner

import (
	"net"
	"os"
)

// notifyVariable names the socket of a service manager that waits to be told
// (systemd, sd_notify(3)).
const notifyVariable = "NOTIFY_SOCKET"

// tellManager says to the service manager, where one listens, how the worker
// does. One that does not take it loses nothing but the word.
func tellManager(state string) {
	socket := os.Getenv(notifyVariable)
	if socket == "" {
		return
	}
	// A name that begins with @ is an abstract one, to Go as to systemd.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return
	}
	_, _ = conn.Write([]byte(state))
	_ = conn.Close()
}
