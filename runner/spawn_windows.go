package runner

import (
	"net"
	"os"

	"runnel/store"
)

func spawnSlot(*store.Store, store.ID, *os.File) (*os.Process, error) { return nil, ErrUnsupported }

func spawnSession(*store.Store, ...string) (*os.Process, error) { return nil, ErrUnsupported }

func socketPair() (net.Conn, *os.File, error) { return nil, nil, ErrUnsupported }

func startNice(Spec, int) (*Process, error) { return nil, ErrUnsupported }

func oomKills() (count int, limit int64) { return 0, 0 }
