package warehouse

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

//go:embed tables/*.sql
var tableFiles embed.FS

// migration is one numbered file: NNN_table.sql creates a table, and NNN_table.what.sql changes it later.
type migration struct {
	file, table, text, checksum string
}

func migrations() ([]migration, error) {
	names, err := fs.Glob(tableFiles, "tables/*.sql")
	if err != nil {
		return nil, fmt.Errorf("listing the table files: %w", err)
	}
	all := make([]migration, 0, len(names))
	for _, name := range names {
		text, err := tableFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		sum := sha256.Sum256(text)
		_, rest, _ := strings.Cut(strings.TrimPrefix(name, "tables/"), "_")
		table, _, _ := strings.Cut(rest, ".")
		all = append(all, migration{name, table, string(text), hex.EncodeToString(sum[:])})
	}
	return all, nil
}

// tables returns the names of all tables that follow the log, in file order.
func tables() ([]string, error) {
	all, err := migrations()
	if err != nil {
		return nil, err
	}
	var names []string
	seen := map[string]bool{}
	for _, m := range all {
		if !seen[m.table] {
			seen[m.table] = true
			names = append(names, m.table)
		}
	}
	return names, nil
}

// statements returns the file's statements for a database, cluster and suffix.
func (m migration) statements(database, cluster, suffix string) []string {
	replicated := ""
	if cluster != "" {
		replicated = "Replicated"
	}
	text := strings.NewReplacer(
		"{name}", quoteName(database)+"."+quoteName(m.table+suffix),
		"{on_cluster}", strings.TrimSpace(onCluster(cluster)),
		"{replicated}", replicated,
	).Replace(comment.ReplaceAllString(m.text, ""))
	var all []string
	for statement := range strings.SplitSeq(text, ";") {
		if statement = strings.TrimSpace(statement); statement != "" {
			all = append(all, statement)
		}
	}
	return all
}

var comment = regexp.MustCompile(`(?m)^--.*$`)

// DDL returns the statements that create the database and its tables on a ClickHouse server, or on the named cluster,
// for operators who create tables themselves. Open runs the same ones.
func DDL(database, cluster string) ([]string, error) {
	all, err := migrations()
	if err != nil {
		return nil, err
	}
	ddl := []string{"CREATE DATABASE IF NOT EXISTS " + quoteName(database) + onCluster(cluster) + " ENGINE = Atomic"}
	for _, m := range all {
		ddl = append(ddl, m.statements(database, cluster, "")...)
	}
	return ddl, nil
}

// migrate applies the table files to an empty database, and otherwise requires that the same ones were applied: rows of
// an earlier program lack what a later one would have written, so its tables are made anew instead of changed.
func (w *Warehouse) migrate(ctx context.Context) error {
	held, err := w.heldTables(ctx)
	if err != nil {
		return err
	}
	err = w.conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+w.own("table_files")+onCluster(w.config.Cluster)+
		" (file String, checksum String, applied DateTime64(3) DEFAULT now64(3)) ENGINE = "+replicated(w.config.Cluster)+
		"ReplacingMergeTree(applied) ORDER BY file SETTINGS fsync_after_insert = 1, fsync_part_directory = 1")
	if err != nil {
		return wrap("making the record of table files", err)
	}
	other, err := w.OtherFiles(ctx)
	if err != nil || len(other) == 0 {
		return err
	}
	if held > 0 {
		return fmt.Errorf("they were made by another program, with other table files than this one (%s): %w",
			strings.Join(other, ", "), ErrDamaged)
	}
	all, err := migrations()
	for _, m := range all {
		if err := w.apply(ctx, m); err != nil {
			return err
		}
	}
	return err
}

// heldTables returns how many tables the database holds.
func (w *Warehouse) heldTables(ctx context.Context) (held uint64, err error) {
	err = w.conn.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = {db:String}", param("db", w.config.Database)).Scan(&held)
	return held, wrap("asking ClickHouse for its tables", err)
}

// Empty reports whether there are no tables yet.
func (w *Warehouse) Empty(ctx context.Context) (bool, error) {
	held, err := w.heldTables(ctx)
	return held == 0, err
}

// OtherFiles returns the table files that were applied with other content, or that this program does not know.
func (w *Warehouse) OtherFiles(ctx context.Context) ([]string, error) {
	applied, err := w.appliedFiles(ctx)
	if err != nil {
		return nil, err
	}
	all, err := migrations()
	if err != nil {
		return nil, err
	}
	var other []string
	for _, m := range all {
		if applied[m.file] != m.checksum {
			other = append(other, m.file)
		}
		delete(applied, m.file)
	}
	return slices.Concat(other, slices.Sorted(maps.Keys(applied))), nil
}

func (w *Warehouse) appliedFiles(ctx context.Context) (map[string]string, error) {
	type record struct {
		File     string `ch:"file"`
		Checksum string `ch:"checksum"`
	}
	rows, err := ask[record](ctx, w, "the applied table files", "SELECT file, checksum FROM "+w.own("table_files")+" FINAL")
	if err != nil {
		return nil, err
	}
	applied := make(map[string]string, len(rows))
	for _, r := range rows {
		applied[r.File] = r.Checksum
	}
	return applied, nil
}

// recordWithin bounds the insert of one row. The embedded engine was seen to keep one for five minutes, all the driver waits;
// the tables that wait for it are there at the next try.
const recordWithin = time.Minute

func (w *Warehouse) apply(ctx context.Context, m migration) error {
	for _, statement := range m.statements(w.config.Database, w.config.Cluster, "") {
		if err := w.conn.Exec(ctx, statement); err != nil {
			return wrap("applying "+m.file, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, recordWithin)
	defer cancel()
	err := w.conn.Exec(ctx, "INSERT INTO "+w.own("table_files")+" (file, checksum) VALUES ({file:String}, {sum:String})",
		param("file", m.file), param("sum", m.checksum))
	if err != nil {
		return wrap("recording "+m.file, err)
	}
	w.config.Logger.Info("table file applied", "file", m.file)
	return nil
}

// own returns the name of one of the warehouse's own tables, which are not rebuilt.
func (w *Warehouse) own(table string) string {
	return quoteName(w.config.Database) + "." + quoteName(table)
}

var tablePlace = regexp.MustCompile(`\{(\w+)\}`)

// expand replaces {table} with full table names.
func (w *Warehouse) expand(sql string) string {
	return tablePlace.ReplaceAllStringFunc(sql, func(place string) string { return w.name(strings.Trim(place, "{}")) })
}

func onCluster(cluster string) string {
	if cluster == "" {
		return ""
	}
	return " ON CLUSTER " + quoteName(cluster)
}

func replicated(cluster string) string {
	if cluster == "" {
		return ""
	}
	return "Replicated"
}

func quoteName(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(s) + "`"
}
