/* Every ToS octet at ingress, every pair of octets at egress (RFC 6040). */
#include "check.h"
#include "mip_ecn.h"

static void ingress(void)
{
	for (unsigned tos = 0; tos < 256; tos++) {
		CHECK(mip_ecn_ingress((uint8_t)tos, false) == tos);
		CHECK(mip_ecn_ingress((uint8_t)tos, true) == (tos & 0xfc));
	}
}

/* Figure 4, written the way its logic is worded rather than as a table. */
static int severity(unsigned ecn)
{
	return ecn == 3 ? 3 : ecn == 1 ? 2 : ecn == 2 ? 1 : 0;
}

static void egress(void)
{
	for (unsigned inner = 0; inner < 256; inner++) {
		for (unsigned outer = 0; outer < 256; outer++) {
			unsigned i = inner & 3, o = outer & 3;
			struct mip_ecn e = mip_ecn_egress((uint8_t)inner, (uint8_t)outer);

			CHECK(e.drop == (i == 0 && o == 3));
			if (i == 0)
				CHECK(e.ecn == 0);
			else
				CHECK(e.ecn == (severity(i) >= severity(o) ? i : o));
			/* The cells marked (!) and (!!!). */
			CHECK(e.unused == ((i == 0 && o != 0) || (i == 1 && o == 2) || (i == 3 && o == 1)));
		}
	}
}

int main(void)
{
	ingress();
	egress();
	return 0;
}
