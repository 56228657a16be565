package warehouse

import (
	"fmt"
	"regexp"
)

// prefectureCode matches two digits, 01 to 47 (law.md 11.4).
var prefectureCode = regexp.MustCompile(`^(0[1-9]|[1-3][0-9]|4[0-7])$`)

// byMunicipality lists the tables whose rows can be restricted to a prefecture: all that tell of somebody.
var byMunicipality = []string{
	"log", "certificates", "certificate_history", "applications", "card_operations", "notices", "certificate_moves", "certificate_sums", "deadlines", "facts",
}

// AccessDDL returns the statements that create the roles on a ClickHouse server or cluster: shomei_writer for the
// projector, shomei_analyst for the nation, and shomei_analyst_NN for each given prefecture, which sees only rows of
// that prefecture's municipalities. The embedded engine has no users; there the console is the only way in. Anything
// but a prefecture code is an error.
func AccessDDL(database, cluster string, prefectures []string) ([]string, error) {
	db, on := quoteName(database), onCluster(cluster)
	ddl := []string{
		"CREATE SETTINGS PROFILE IF NOT EXISTS shomei_reading" + on +
			" SETTINGS readonly = 2, max_execution_time = 60, max_memory_usage = 4000000000",
		"CREATE ROLE IF NOT EXISTS shomei_writer" + on,
		"GRANT" + on + " SELECT, INSERT, CREATE TABLE, DROP TABLE, TRUNCATE ON " + db + ".* TO shomei_writer",
		"CREATE ROLE IF NOT EXISTS shomei_analyst" + on + " SETTINGS PROFILE 'shomei_reading'",
		"GRANT" + on + " SELECT ON " + db + ".* TO shomei_analyst",
	}
	for _, table := range byMunicipality { // a table with policies shows nothing to users without one
		ddl = append(ddl, fmt.Sprintf("CREATE ROW POLICY IF NOT EXISTS shomei_all%s ON %s.%s USING 1 TO shomei_writer, shomei_analyst",
			on, db, quoteName(table)))
	}
	for _, code := range prefectures {
		if !prefectureCode.MatchString(code) {
			return nil, fmt.Errorf("making the roles of prefectures: %q is not a prefecture; give two digits, 01 to 47", code)
		}
		role := "shomei_analyst_" + code
		ddl = append(ddl, "CREATE ROLE IF NOT EXISTS "+role+on+" SETTINGS PROFILE 'shomei_reading'")
		for _, table := range byMunicipality {
			name := db + "." + quoteName(table)
			ddl = append(ddl, "GRANT"+on+" SELECT ON "+name+" TO "+role,
				fmt.Sprintf("CREATE ROW POLICY IF NOT EXISTS shomei_%s%s ON %s USING startsWith(municipality, '%s') TO %s",
					code, on, name, code, role))
		}
	}
	return ddl, nil
}
