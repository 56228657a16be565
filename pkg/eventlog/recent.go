package eventlog

// Recent gives the end of an aggregate as this process last stored or verified it, without asking the server; false when
// it is not remembered. It may be old: it is for the only writer of an aggregate, or for a guess that Update judges.
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
