#include "mip.h"

#define MIP_NAME(name, label, meaning) { #name, label, meaning },

const struct mip_name mip_drop_names[MIP_DROP_END] = { { "OK", "ok", "not dropped" },
						       MIP_DROP_LIST(MIP_NAME) };
const struct mip_name mip_counter_names[MIP_COUNTER_END] = { MIP_COUNTER_LIST(MIP_NAME) };
const struct mip_name mip_event_names[MIP_EVENT_END] = { MIP_EVENT_LIST(MIP_NAME) };
