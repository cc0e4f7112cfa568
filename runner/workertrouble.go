package runner

import (
	"errors"
	"fmt"
	"syscall"

	"runnel/store"
)

// trouble keeps an error that may pass, a full disk say, from ending the
// worker: it is said once, nothing that waits to be written is given up, and
// every look tries again.
func (w *Worker) trouble(err error) error {
	if err == nil || !mayPass(err) {
		return err
	}
	var known *store.Error
	if errors.As(err, &known) {
		err = known // whatever it was that could not be done: the disk is to be mended
	}
	w.sayOnce(&w.storage, fmt.Sprintf("%v; the worker tries on, and its runs go on", err))
	return nil
}

func (w *Worker) sayOnce(said *string, text string) {
	if *said == text {
		return
	}
	*said = text
	w.Notify(Notice{Text: text})
}

// overcome says that what was said to trouble the worker is over.
func (w *Worker) overcome(said *string) {
	if *said == "" {
		return
	}
	*said = ""
	w.Notify(Notice{Text: "that is over: the worker works again"})
}

// mayPass is true for what a disk or a limit of the system is to blame for.
func mayPass(err error) bool {
	if store.MayPass(err) {
		return true
	}
	for _, number := range []syscall.Errno{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EFBIG, syscall.EIO,
		syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.ENOMEM,
	} {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}
