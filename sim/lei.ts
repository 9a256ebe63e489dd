/** The LEI of every party that the simulator makes up: nobody's, with check digits that hold (ISO 17442, mod 97-10). */
export const LEI = '98450000SIMULATION57';
