/* What is believed of far ends that are out of reach, and for how long. */
#include "check.h"
#include "mip_unreached.h"

enum { SECOND = 1000000000 };

static struct mip_unreached unreached;

static int code_at(uint32_t remote_be, uint64_t now)
{
	uint8_t code;

	return mip_unreached_find(&unreached, remote_be, now, &code) ? code : -1;
}

static void ages(void)
{
	uint32_t one = check_address(198, 51, 100, 1), two = check_address(198, 51, 100, 2);

	CHECK(!mip_unreached_any(&unreached));
	CHECK(code_at(one, SECOND) == -1);
	mip_unreached_put(&unreached, one, 1, 10ull * SECOND);
	mip_unreached_put(&unreached, two, 0, 5ull * SECOND);
	CHECK(mip_unreached_any(&unreached));
	CHECK(code_at(one, 4ull * SECOND) == 1 && code_at(two, 4ull * SECOND) == 0);
	CHECK(code_at(one ^ two, 4ull * SECOND) == -1);
	CHECK(code_at(one, 5ull * SECOND) == 1 && code_at(two, 5ull * SECOND) == -1);
	CHECK(mip_unreached_any(&unreached));
	mip_unreached_put(&unreached, one, 0, 12ull * SECOND); /* told again, otherwise */
	CHECK(code_at(one, 11ull * SECOND) == 0);
	CHECK(code_at(two, 12ull * SECOND) == -1);
	CHECK(!mip_unreached_any(&unreached)); /* so a packet costs no look at the clock again */
}

/* Of more far ends than there are places the last ones are known. */
static void is_bounded(void)
{
	uint32_t known = 0;

	for (uint32_t i = 1; i <= 20 * MIP_UNREACHED_MAX; i++) {
		mip_unreached_put(&unreached, i, (uint8_t)(i % 2), 20ull * SECOND);
		CHECK(code_at(i, 19ull * SECOND) == (int)(i % 2));
	}
	for (uint32_t i = 1; i <= 20 * MIP_UNREACHED_MAX; i++)
		known += code_at(i, 19ull * SECOND) >= 0;
	CHECK(known > MIP_UNREACHED_MAX / 2 && known <= MIP_UNREACHED_MAX);
}

int main(void)
{
	check_seed();
	ages();
	is_bounded();
	return 0;
}
