package eventlog

// Recent returns the end of an aggregate as this process last stored or verified it, without asking the server; false
// if it isn't remembered. It may be stale: use it if you are the aggregate's only writer, or for a guess that Update
// judges.
func (l *Log) Recent(kind, id string) (Head, bool) {
	t, err := l.target(kind, id)
	if err != nil {
		return Head{}, false
	}
	h, ok := l.memory.heads.get(t.subject)
	if !ok {
		return Head{}, false
	}
	return l.facing(h), true
}
