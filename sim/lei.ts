/** One LEI for all parties that the simulator makes up and that need none of their own: nobody's, with check digits that hold (ISO 17442). */
export const LEI = '98450000SIMULATION57';
