package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// Table is one table of the file.
type Table struct {
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"` // with its indexes
}

// Info is what there is to know of the file. All sizes are bytes.
type Info struct {
	Path          string    `json:"path"`
	Schema        int       `json:"schema"`
	SQLite        string    `json:"sqlite"`
	Bytes         int64     `json:"bytes"`      // of the file
	FreeBytes     int64     `json:"free_bytes"` // in it
	WALBytes      int64     `json:"wal_bytes"`  // of the write-ahead log beside it
	LogFiles      int64     `json:"log_files"`
	LogBytes      int64     `json:"log_bytes"`
	RunsADay      float64   `json:"runs_a_day"` // over the last week
	GrowthADay    int64     `json:"growth_a_day_bytes"`
	LogGrowthADay int64     `json:"log_growth_a_day_bytes"`
	Retention     Retention `json:"retention"`
	Tables        []Table   `json:"tables"`
}

// growthDays is over how many days growth is told.
const growthDays = 7

// Info measures the file. It reads all of it.
func (s *Store) Info(ctx context.Context) (i Info, err error) {
	i.Path, i.Bytes, i.WALBytes = s.path, sizeOnDisk(s.path), sizeOnDisk(s.path+"-wal")
	err = s.reader.QueryRowContext(ctx, `
		SELECT sqlite_version(), user_version, freelist_count * page_size
		  FROM pragma_user_version, pragma_freelist_count, pragma_page_size`).Scan(&i.SQLite, &i.Schema, &i.FreeBytes)
	if err != nil {
		return i, err
	}
	if i.Retention, err = s.Retention(ctx); err != nil {
		return i, err
	}
	if i.Tables, err = s.tables(ctx); err != nil {
		return i, err
	}
	since := s.Clock().AddDate(0, 0, -growthDays)
	err = eachLog(ctx, filepath.Join(s.Folder(), "logs"), func(name string) error {
		size := sizeOnDisk(s.LogPath(name))
		i.LogFiles++
		i.LogBytes += size
		if filepath.Dir(name) >= since.UTC().Format(time.DateOnly) {
			i.LogGrowthADay += size
		}
		return nil
	})
	return i, errors.Join(err, s.growth(ctx, &i, since))
}

func sizeOnDisk(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (s *Store) tables(ctx context.Context) ([]Table, error) {
	list, err := collect(ctx, s.reader, func(r row) (t Table, err error) { return t, r.Scan(&t.Name, &t.Bytes) }, `
		SELECT m.tbl_name,
		       sum(d.pgsize)
		  FROM dbstat d
		  JOIN sqlite_schema m ON m.name = d.name
		 WHERE d.aggregate = TRUE
		 GROUP BY m.tbl_name
		 ORDER BY 2 DESC, 1`)
	for i := range list {
		if err != nil {
			break
		}
		// A table's name cannot be bound; these come from the schema.
		err = s.reader.QueryRowContext(ctx, `SELECT count(*) FROM "`+list[i].Name+`"`).Scan(&list[i].Rows)
	}
	return list, err
}

// growth tells what a day adds: the runs of the last week, or since the first
// one, at the size that runs have. The logs' bytes of the week are in i.
func (s *Store) growth(ctx context.Context, i *Info, since time.Time) error {
	var lately int64
	var first sql.NullInt64
	err := s.reader.QueryRowContext(ctx, `
		SELECT (SELECT count(*)
		          FROM flow_run
		         WHERE id >= ?1),
		       (SELECT created
		          FROM flow_run
		         ORDER BY id
		         LIMIT 1)`, firstID(since)).Scan(&lately, &first)
	if err != nil {
		return err
	}
	days := float64(growthDays)
	if first.Valid {
		days = min(days, max(1, s.Clock().Sub(instant(first.Int64)).Hours()/24))
	}
	var bytes, runs int64
	for _, t := range i.Tables {
		switch t.Name {
		case "flow_run":
			runs = t.Rows
			bytes += t.Bytes
		case "event", "attempt", "hook":
			bytes += t.Bytes
		}
	}
	i.RunsADay = float64(lately) / days
	i.LogGrowthADay = int64(float64(i.LogGrowthADay) / days)
	if runs > 0 {
		i.GrowthADay = int64(i.RunsADay * float64(bytes) / float64(runs))
	}
	return nil
}
