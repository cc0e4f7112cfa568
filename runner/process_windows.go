package runner

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Process is a flow's process; there are none on Windows.
type Process struct{ PID int }

// BecomeReaper does nothing on Windows.
func BecomeReaper() error { return nil }

// Start is not supported on Windows.
func Start(Spec) (*Process, error) { return nil, ErrUnsupported }

// Wait is not supported on Windows.
func (p *Process) Wait(context.Context) (Exit, error) { return Exit{}, ErrUnsupported }

func childSignals() (<-chan os.Signal, func()) { return nil, func() {} }

func reapOrphans() {}

// Reap is not supported on Windows.
func (p *Process) Reap() Exit { return Exit{} }

func (p *Process) ended() (Exit, bool) { return Exit{}, true }

// Stop is not supported on Windows.
func (p *Process) Stop(time.Duration, <-chan struct{}) StopReport {
	return StopReport{Err: ErrUnsupported}
}

func (p *Process) killGroup() {}

// Children is not supported on Windows.
func (p *Process) Children() ([]int, error) { return nil, ErrUnsupported }

// Orphans is not supported on Windows.
func Orphans(string, int, Identity, string) ([]Orphan, error) { return nil, ErrUnsupported }

func (o Orphan) stop(bool) error { return ErrUnsupported }

// Signal is not supported on Windows.
func (o Orphan) Signal(int) error { return ErrUnsupported }

// SignalName is the signal's number: Windows has no names.
func SignalName(signal int) string { return fmt.Sprintf("signal %d", signal) }

// Fifo is not supported on Windows.
type Fifo struct{ Read, Write *os.File }

// MakeFifo is not supported on Windows.
func MakeFifo(string) (Fifo, error) { return Fifo{}, ErrUnsupported }

// OpenFifo is not supported on Windows.
func OpenFifo(string) (*os.File, error) { return nil, ErrUnsupported }

// OpenFifoToWrite is not supported on Windows.
func OpenFifoToWrite(string) (*os.File, error) { return nil, ErrUnsupported }

// Pump is not supported on Windows.
func Pump(*os.File, func([]byte)) bool { return false }

func surviveFileSizeSignal() {}

func sendDatagram(string) error { return ErrUnsupported }

const privatePath = ""

func privateFile(string, []byte) (*os.File, error) { return nil, ErrUnsupported }

func findProgram(Spec) (string, error) { return "", ErrUnsupported }

func variable([]string, string) string { return "" }
