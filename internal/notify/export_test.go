package notify

import "github.com/weigate/weigate/internal/lang"

// The signatures, for the vectors.
var (
	FeishuSignature   = feishuSignature
	DingTalkSignature = dingTalkSignature
	StandardSignature = standardSignature
)

// Texts returns the catalogue.
func Texts() *lang.Catalogue { return texts }
