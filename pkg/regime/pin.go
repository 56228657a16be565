package regime

// PIN names one of the PINs on a card.
type PIN string

const (
	PINSign     PIN = "sign"     // signature certificate
	PINAuth     PIN = "auth"     // authentication certificate
	PINResident PIN = "resident" // 住民基本台帳用
	PINFace     PIN = "face"     // 券面事項入力補助用
)

// PINFormat is what a PIN must look like and how often it may be mistaken.
type PINFormat struct {
	Min, Max int
	Tries    int
	Format   ID // the rule of its form
	Limit    ID // the rule of its tries
}

// FormatOf returns the format of a PIN under a regime and true, or false when
// the regime's card has no such PIN.
func FormatOf(r Regime, p PIN) (PINFormat, bool) { return PINFormat{}, false }

// CheckPIN judges the form of a PIN. The PIN is neither kept nor echoed: the
// ruling names rules only.
func CheckPIN(r Regime, p PIN, pin []byte) Ruling { return Ruling{} }
