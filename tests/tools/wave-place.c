/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads lines "SEED VERSION PLACE" and says which of them ash_wave_place() does not agree with: tests/bench/rollout --places makes them. */
#include "model/release.h"

#include <stdio.h>

int
main(void)
{
	char seed[129], version[65];
	guint place, lines = 0, wrong = 0;

	while (scanf("%128s %64s %u", seed, version, &place) == 3) {
		const guint ours = ash_wave_place(seed, version);

		lines++;
		if (ours == place)
			continue;
		wrong++;
		printf("%s %s: %u, here %u\n", seed, version, place, ours);
	}
	printf("%u lines, %u differ\n", lines, wrong);
	return lines == 0 || wrong > 0;
}
