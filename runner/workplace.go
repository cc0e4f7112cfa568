package runner

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"runnel/store"
)

// workplace is the folder of a slot's attempts, with their parameters and
// FIFOs. It goes from one attempt to the next by a new name alone: to make and
// to remove its files takes longer than a short flow does.
type workplace struct {
	spare  string              // its name between two attempts
	folder string              // its name now; "" where there is none
	reads  map[string]*os.File // our ends of its FIFOs, by name
	names  []string            // what lay in it when it was looked into
	log    *Log                // of the next attempt; nil where there is none yet
}

// spareLogFile is the next attempt's log in the workplace.
const spareLogFile = "log"

func newWorkplace(folder string, slot store.ID) *workplace {
	return &workplace{spare: sparePath(folder, slot.String()), reads: map[string]*os.File{}}
}

// sparePath is where a slot keeps its workplace while it idles, away from the
// folders that are swept when no run is theirs.
func sparePath(folder, slot string) string { return filepath.Join(folder, "spare", slot) }

// warm makes it ahead of the first attempt. What cannot be made is tried again
// when it is needed.
func (w *workplace) warm() {
	if w.become(w.spare) != nil {
		return
	}
	for _, name := range []string{stdoutFifo, stderrFifo} {
		if f, err := w.fifo(name); err == nil {
			_ = f.Write.Close()
		}
	}
	w.readyLog()
}

// readyLog makes the next attempt's log ahead of it: to find room for a new file
// can take longer than all else before a start.
func (w *workplace) readyLog() {
	if w.folder == "" || w.log != nil {
		return
	}
	// Without the folder, which was deleted with the database, say, none is made.
	log, err := createLogIn(filepath.Join(w.folder, spareLogFile))
	if err == nil {
		w.log = log // else it is tried again when it is needed
	}
}

// createLog gives the log of an attempt, as CreateLog does.
func (w *workplace) createLog(path string) (*Log, error) {
	log := w.log
	if log == nil {
		return CreateLog(path)
	}
	w.log = nil
	spare := filepath.Join(w.folder, spareLogFile)
	err := log.become(spare, path)
	if err == nil {
		return log, nil
	}
	_, _ = log.Close(), os.Remove(spare)
	if errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return CreateLog(path)
}

// become makes it the folder of an attempt. What stands there is of an attempt
// of that number which was lost before it began.
func (w *workplace) become(folder string) error {
	if w.folder != "" {
		if w.folder == w.spare {
			// A sweep that does not know of this run yet goes by the folder's time.
			now := time.Now()
			_ = os.Chtimes(w.folder, now, now)
		}
		err := os.Rename(w.folder, folder)
		if errors.Is(err, os.ErrExist) {
			err = errors.Join(os.RemoveAll(folder), os.Rename(w.folder, folder))
		}
		if err == nil {
			w.folder = folder
			return nil
		}
		w.remove() // somebody cleaned up by hand
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		return err
	}
	err := os.Mkdir(folder, 0o700)
	if errors.Is(err, os.ErrExist) {
		err = errors.Join(os.RemoveAll(folder), os.Mkdir(folder, 0o700))
	}
	if err == nil {
		w.folder = folder
	}
	return err
}

// parameters writes the file of them. It is never cut to nothing on the way:
// file systems that guard against half-replaced files then write it to the
// disk at once.
func (w *workplace) parameters(content []byte) error {
	file, err := os.OpenFile(filepath.Join(w.folder, parametersFile), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if info, statErr := file.Stat(); err == nil && statErr == nil && info.Size() > int64(len(content)) {
		err = file.Truncate(int64(len(content)))
	}
	return errors.Join(err, file.Close())
}

// fifo gives the ends of a FIFO of that name, which is made where there is none.
func (w *workplace) fifo(name string) (Fifo, error) {
	path := filepath.Join(w.folder, name)
	read := w.reads[name]
	if read == nil {
		f, err := MakeFifo(path)
		if err == nil {
			w.reads[name] = f.Read
		}
		return f, err
	}
	if err := read.SetReadDeadline(time.Time{}); err != nil {
		return Fifo{}, err
	}
	write, err := OpenFifoToWrite(path)
	return Fifo{Read: read, Write: write}, err
}

// giveUp parts with a FIFO that somebody may still write to, to make room for
// another of its name.
func (w *workplace) giveUp(name string) {
	if read := w.reads[name]; read != nil {
		_ = read.Close()
		_ = os.Remove(filepath.Join(w.folder, name))
		delete(w.reads, name)
	}
}

// look sees what an attempt has left in it, in the time in which the end of that
// is recorded.
func (w *workplace) look() {
	w.names = nil
	if w.folder != "" {
		w.names, _ = readNames(w.folder) // without names it is not kept
	}
}

// putAway keeps the folder for the next attempt where nothing of this one is
// left in it, and nobody has its FIFOs open; else it goes. Between two attempts
// that follow each other it has no name of its own.
func (w *workplace) putAway(next bool) {
	if w.folder == "" || w.clean() && (next || w.become(w.spare) == nil) {
		return
	}
	w.remove()
}

// clean removes what is of one attempt alone. It is false where something else is
// in the way of the next.
func (w *workplace) clean() bool {
	if len(w.reads) < 2 || len(w.names) == 0 {
		return false
	}
	for _, name := range w.names {
		switch {
		case name == parametersFile || name == spareLogFile && w.log != nil || w.reads[name] != nil:
		case name == outcomeFile || name == processFile || name == deadlineFile:
			if os.Remove(filepath.Join(w.folder, name)) != nil {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// remove parts with the whole folder.
func (w *workplace) remove() {
	for name := range w.reads {
		w.giveUp(name)
	}
	if w.log != nil {
		_ = w.log.Close()
	}
	if w.folder != "" {
		_ = os.RemoveAll(w.folder)
	}
	w.folder, w.log = "", nil
}

func readNames(folder string) ([]string, error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Readdirnames(-1)
}
